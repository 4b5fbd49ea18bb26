/** No room on the device, and nothing left behind. */
import { compile, scope, tf, useEngine } from '@tesserae/tensor';
import { beforeAll, describe, expect, test } from 'vitest';
import type { XlaBackend } from './backend.ts';
import { DeviceMemoryError, XlaError } from './pjrt/errors.ts';
import { xla } from './provider.ts';
import { xlaAvailable } from './testing/xla-available.ts';

describe('DeviceMemoryError', () => {
  test.each([
    ['Out of memory allocating 40000000000 bytes.', 40_000_000_000],
    ['Out of memory while trying to allocate 1073741824 bytes.', 2 ** 30],
    ['Failed to allocate request for 1.50GiB (1610612736B) on device ordinal 0', 1.5 * 2 ** 30],
    ['Out of memory allocating 1.5GiB.', 1.5 * 2 ** 30],
    [
      'Out of memory while trying to allocate 149.03GiB with allocator GPU_0_bfc on device 0.',
      Math.round(149.03 * 2 ** 30),
    ],
    ['no room', undefined],
  ])('%s', (detail, asked) => {
    const error = new DeviceMemoryError('running a program', detail, { bytes: 1_500_000, buffers: 3 });
    expect(error).toBeInstanceOf(XlaError);
    expect(error).toMatchObject({ name: 'DeviceMemoryError', bytesAsked: asked, bytesInUse: 1_500_000 });
    expect(error.message).toContain('1.5 MB are in use by 3 buffers.');
    expect(error.message).toContain(detail);
  });
});

describe.skipIf(!(await xlaAvailable()))('on xla:cpu', () => {
  beforeAll(async () => {
    await useEngine('xla:cpu', [xla]);
  });
  const backend = (): XlaBackend => tf.backend() as XlaBackend;
  const counts = (): object => {
    backend().flush();
    const { bytesInUse, buffersInUse } = backend().client;
    return { bytesInUse, buffersInUse, tensors: tf.memory().numTensors, data: backend().numDataIds() };
  };
  const memoryError = async (run: () => unknown): Promise<DeviceMemoryError> => {
    const error: unknown = await Promise.resolve()
      .then(run)
      .catch((e: unknown) => e);
    expect(error).toBeInstanceOf(DeviceMemoryError);
    return error as DeviceMemoryError;
  };
  // 16 TB of float32: more than a process gets.
  const huge = 4e12;

  test('an eager program without room names the op, its line, the bytes asked for and in use; the rest goes on', async () => {
    const before = counts();
    {
      using s = scope();
      const kept = tf.square(tf.ones([1000]));
      backend().flush(); // in one program with the next, a plugin that runs later than it is asked loses both
      const x = s.keep(tf.fill([huge], 2));
      const read = await memoryError(() => x.data());
      expect(read.bytesAsked).toBe(4 * huge);
      expect(read.bytesInUse).toBeLessThan(1e6);
      expect(read.message).toMatch(/f32 \[4000000000000\] of 16\.0 TB, made by kernel 'Fill' called at .*memory\.test/);
      await memoryError(() => x.dataSync());
      expect(kept.dataSync()[0]).toBe(1);
      x.dispose();
    }
    expect(counts()).toEqual(before);
  });

  test('a compiled program without room says so with its name, and which variables are lost', async () => {
    const before = counts();
    const initial = tf.ones([3]);
    const weight = tf.variable(initial, true, 'weight');
    initial.dispose();
    {
      using s = scope();
      using step = compile(
        () => {
          weight.assign(tf.add(weight, 1));
          return tf.mul(tf.fill([huge], 2), tf.mean(weight));
        },
        { name: 'grow' },
      );
      const error = await memoryError(async () => {
        const y = s.keep(step());
        try {
          return await y.data();
        } finally {
          y.dispose();
        }
      });
      expect(error.operation).toContain("running 'grow'");
      expect(error.message).toMatch(/\d TB were asked for.*of 16\.0 TB, made by kernel '\w+' called at .*memory\.test/);
      const value = await Promise.resolve()
        .then(() => weight.data())
        .catch((e: unknown) => e);
      // Plugins that run programs at once fail before they take the old value.
      if (value instanceof DeviceMemoryError) expect(value.message).toMatch(/are lost \('weight'\)/);
      else expect([...(value as Float32Array)]).toEqual([1, 1, 1]);
      const fresh = tf.tensor1d([5, 6, 7]);
      weight.assign(fresh);
      fresh.dispose();
      using next = compile(() => weight.assign(tf.add(weight, 1)));
      next();
      expect([...weight.dataSync()]).toEqual([6, 7, 8]);
    }
    weight.dispose();
    expect(counts()).toEqual(before);
  });

  test('a million tensors leave nothing', () => {
    using double = compile((x: tf.Tensor) => tf.add(x, x));
    const one = tf.scalar(1);
    double(one).dispose();
    const before = counts();
    const values = Float32Array.of(1, 2, 3);
    for (let i = 0; i < 200_000; i++) {
      tf.tensor1d(values).dispose(); // written
      tf.square(one).dispose(); // recorded, never computed
      one.clone().dispose(); // shared
      tf.scalar(i).dispose();
      if (i % 5 === 0)
        double(one).dispose(); // computed
      else tf.reshape(one, [1]).dispose();
    }
    expect(counts()).toEqual(before);
    one.dispose();
  });

  test('`using` frees when the block ends, also by an error', () => {
    const before = counts();
    const failing = (): void => {
      using x = tf.tensor1d([1, 2]);
      using s = scope();
      tf.square(x).dataSync();
      void s;
      throw new Error('enough');
    };
    expect(failing).toThrow('enough');
    expect(counts()).toEqual(before);
  });
});
