/** Reads that compute what is recorded leave the event loop free, and anything may happen meanwhile. */
import { execFile } from 'node:child_process';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { compile, tf, useEngine } from '@tesserae/tensor';
import { afterEach, beforeAll, beforeEach, describe, expect, test, vi } from 'vitest';
import { XlaBackend } from './backend.ts';
import { operation } from './graph/hlo.ts';
import { PjrtClient } from './pjrt/client.ts';
import { DeviceMemoryError, XlaError } from './pjrt/errors.ts';
import { locatePlugin } from './plugins/index.ts';
import { xla } from './provider.ts';
import { xlaAvailable } from './testing/xla-available.ts';

const plugin = await locatePlugin('cpu');

describe.skipIf(!(await xlaAvailable()))('data() of what is recorded', { timeout: 120_000 }, () => {
  const backend = (): XlaBackend => tf.backend() as XlaBackend;
  const counts = (): object => {
    backend().flush();
    const { bytesInUse, buffersInUse } = backend().client;
    return { bytesInUse, buffersInUse, tensors: tf.memory().numTensors, data: backend().numDataIds() };
  };
  let before: object;
  let ones: tf.Tensor2D;
  beforeAll(async () => {
    await useEngine('xla:cpu', [xla]);
    ones = tf.keep(tf.ones([500, 500]));
    const ready = recorded(1);
    await ready.data(); // starts the helper thread
    ready.dispose();
  });
  beforeEach(() => {
    before = counts();
  });
  afterEach(() => {
    expect(counts()).toEqual(before);
  });

  /** Some multiplications of matrices, whose mean is 1. */
  const recorded = (turns: number): tf.Tensor =>
    tf.tidy(() => {
      let y: tf.Tensor = ones;
      for (let i = 0; i < turns; i++) y = tf.mul(tf.matMul(y, ones), 1 / 500);
      return tf.mean(y);
    });
  /** A read that is under way on the helper thread, when this resolves. */
  const begun = async (y: tf.Tensor): Promise<{ values: Promise<number[]>; over: () => boolean }> => {
    let over = false;
    const values = y.data().then((data) => {
      over = true;
      return [...data];
    });
    values.catch(() => {});
    await new Promise((resolve) => setImmediate(resolve));
    return { values, over: () => over };
  };
  const rounded = (values: Iterable<number>): number[] => [...values].map((value) => Math.round(1000 * value) / 1000);

  test('lets timers tick while it compiles and runs; dataSync() does not', async () => {
    const longestGap = async (read: (y: tf.Tensor) => unknown): Promise<{ gap: number; milliseconds: number }> => {
      const y = recorded(120);
      let [gap, last] = [0, performance.now()];
      const tick = (): void => {
        const now = performance.now();
        [gap, last] = [Math.max(gap, now - last), now];
      };
      const timer = setInterval(tick, 1);
      const start = last;
      await read(y);
      tick();
      clearInterval(timer);
      y.dispose();
      return { gap, milliseconds: performance.now() - start };
    };
    const free = await longestGap((y) => y.data());
    const blocked = await longestGap((y) => y.dataSync());
    expect(blocked.gap).toBeGreaterThan(0.8 * blocked.milliseconds);
    expect(free.milliseconds).toBeGreaterThan(100);
    expect(free.gap).toBeLessThan(free.milliseconds / 2);
  });

  test('may be asked twice, and for what was recorded meanwhile', async () => {
    const y = recorded(20);
    const first = await begun(y);
    const second = y.data();
    const z = tf.add(y, 1);
    const other = tf.mul(ones, 3);
    const [a, b, c, d] = await Promise.all([first.values, second, z.data(), other.data()]);
    expect([rounded(a), rounded(b), rounded(c)]).toEqual([[1], [1], [2]]);
    expect(d.every((value) => value === 3)).toBe(true);
    tf.dispose([y, z, other]);
  });

  test('with dataSync() of the same, of another and of a computed tensor meanwhile', async () => {
    const y = recorded(20);
    const { values, over } = await begun(y);
    expect(ones.dataSync()[0]).toBe(1); // needs nothing of what is running
    expect(over()).toBe(false);
    expect(rounded(y.dataSync())).toEqual([1]);
    const z = recorded(21);
    const again = await begun(z);
    const other = tf.add(z, 1);
    expect(rounded(other.dataSync())).toEqual([2]);
    expect(rounded([...(await values), ...(await again.values)])).toEqual([1, 1]);
    tf.dispose([y, z, other]);
  });

  test('gives the value though the tensor is disposed meanwhile, or before the program began', async () => {
    const inputs = tf.mul(ones, 2);
    backend().flush();
    const y = tf.tidy(() => tf.mean(tf.matMul(inputs, recordedMatrix())));
    const { values } = await begun(y);
    tf.dispose([y, inputs]);
    expect(rounded(await values)).toEqual([1000]);
    const z = recorded(3);
    const read = z.data();
    z.dispose();
    expect(rounded(await read)).toEqual([1]);
  });
  const recordedMatrix = (): tf.Tensor2D =>
    tf.tidy(() => {
      let y: tf.Tensor2D = ones;
      for (let i = 0; i < 20; i++) y = tf.mul(tf.matMul(y, ones), 1 / 500);
      return y;
    });

  test('with tensors disposed that only the program, or what was recorded meanwhile, needs', async () => {
    const input = tf.mul(ones, 2);
    backend().flush();
    const y = tf.tidy(() => tf.matMul(input, recordedMatrix()));
    const mean = tf.mean(y);
    const { values } = await begun(mean);
    const later = tf.tidy(() => tf.sum(tf.add(y, input))); // both are gone when this is computed
    tf.dispose([y, input]);
    const dropped = tf.square(mean);
    dropped.dispose();
    expect(rounded(await values)).toEqual([1000]);
    expect(later.dataSync()[0]).toBe(500 * 500 * 1002);
    tf.dispose([mean, later]);
  });

  test('with a compiled function that assigns a variable which the program reads', async () => {
    const weight = tf.variable(ones);
    using step = compile((x: tf.Tensor) => {
      weight.assign(tf.add(weight, 1));
      return tf.add(x, 1);
    });
    step(ones).dispose();
    const y = tf.tidy(() => tf.mean(tf.matMul(weight as tf.Tensor2D, recordedMatrix())));
    const product = tf.mul(weight, 5) as tf.Variable;
    const { values, over } = await begun(y);
    expect(over()).toBe(false);
    const made = step(y);
    const value = weight.data(); // computed: at once
    step(y).dispose();
    expect((await value)[0]).toBe(3);
    expect(rounded(await values)).toEqual([1000]);
    expect(rounded(made.dataSync())).toEqual([1001]);
    expect(product.dataSync()[0]).toBe(10);
    expect(weight.dataSync()[0]).toBe(4);
    tf.dispose([y, product, made]);
    weight.dispose();
  });

  test('of a recorded variable is its value when it was asked for', async () => {
    const initial = recordedMatrix();
    const weight = tf.variable(initial);
    initial.dispose();
    using step = compile(() => {
      weight.assign(tf.add(weight, 1));
    });
    const { values } = await begun(weight);
    step();
    step();
    expect(rounded((await values).slice(0, 2))).toEqual([1, 1]);
    expect(rounded(weight.dataSync().slice(0, 1))).toEqual([3]);
    weight.dispose();
  });

  // A plugin may find at once that there is no room, or when the results are read: then all results of the program are lost.
  test('rejects with the error of the op, and the rest goes on', async () => {
    const kept = tf.mul(ones, 4);
    backend().flush();
    const huge = tf.fill([4e12], 2);
    const { values } = await begun(huge);
    const y = recorded(20);
    const [error, same, fine] = await Promise.all([
      values.catch((e: unknown) => e),
      huge.data().catch((e: unknown) => e),
      y.data(),
    ]);
    for (const each of [error, same]) {
      expect(each).toBeInstanceOf(DeviceMemoryError);
      expect((each as Error).message).toMatch(/f32 \[4000000000000\].*made by kernel 'Fill' called at .*reads\.test/);
    }
    expect(rounded(fine)).toEqual([1]);
    expect(kept.dataSync()[0]).toBe(4);
    expect(() => huge.dataSync()).toThrow(DeviceMemoryError);
    tf.dispose([y, huge, kept]);
  });

  test('that fails while dataSync() waits for it', async () => {
    const huge = tf.fill([4e12], 2);
    const { values } = await begun(huge);
    const y = recorded(20);
    expect(rounded(y.dataSync())).toEqual([1]);
    await expect(values).rejects.toBeInstanceOf(DeviceMemoryError);
    tf.dispose([huge, y]);
  });

  test('of a program that XLA refuses names the op, and spares the others of the program', async () => {
    const y = recorded(20);
    const node = operation('stablehlo.nonsense', [backend().nodeOf(y)], 'f32', []);
    const wrong = tf.engine().makeTensorFromTensorInfo(backend().output(node));
    const { values } = await begun(wrong);
    const later = tf.add(y, 1);
    await expect(values).rejects.toThrow(/computing failed.*nonsense/s);
    expect(rounded([...(await y.data()), ...(await later.data())])).toEqual([1, 2]);
    expect(() => wrong.dataSync()).toThrow(XlaError);
    tf.dispose([y, wrong, later]);
  });

  test('a thousand times leaves nothing', async () => {
    for (let i = 0; i < 1000; i++) {
      const x = tf.scalar(i);
      const y = tf.square(x);
      const read = y.data();
      if (i % 3 === 0) tf.dispose([x, y]);
      if (i % 3 === 1) expect(y.dataSync()[0]).toBe(Math.fround(i * i));
      expect((await read)[0]).toBe(Math.fround(i * i));
      tf.dispose([x, y]);
    }
  });

  test('in whatever order', async () => {
    let state = 7;
    const random = (n: number): number => (state = (state * 48271) % 2147483647) % n;
    const live: { tensor: tf.Tensor; value: number }[] = [{ tensor: recorded(1), value: 1 }];
    using twice = compile((x: tf.Tensor) => tf.mul(x, 0.5));
    const reads: Promise<void>[] = [];
    for (let i = 0; i < 120; i++) {
      const { tensor, value } = live[random(live.length)]!;
      const what = random(7);
      if (what < 2) live.push({ tensor: tf.tidy(() => tf.add(tf.mul(tensor, recorded(3)), 1)), value: value + 1 });
      if (what === 2) reads.push(tensor.data().then((data) => expect(data[0]).toBeCloseTo(value, 2)));
      if (what === 3) expect(tensor.dataSync()[0]).toBeCloseTo(value, 2);
      if (what === 4) live.push({ tensor: twice(tensor), value: value / 2 });
      if (what === 5 && live.length > 3) live.splice(random(live.length), 1)[0]!.tensor.dispose();
      if (what === 6) await new Promise((resolve) => setTimeout(resolve, random(4)));
    }
    await Promise.all(reads);
    for (const { tensor, value } of live) expect(tensor.dataSync()[0]).toBeCloseTo(value, 2);
    tf.dispose(live.map(({ tensor }) => tensor));
  });

  test('is computed at once where there can be no helper thread', async () => {
    const possible = vi.spyOn(backend().client, 'canDoLater').mockResolvedValue(false);
    const y = recorded(2);
    try {
      expect(rounded(await y.data())).toEqual([1]);
    } finally {
      possible.mockRestore();
      y.dispose();
    }
  });

  test('is refused, not forgotten, when the engine ends meanwhile', async () => {
    const engine = new XlaBackend(new PjrtClient({ path: plugin!.path, options: { asynchronous: false } }), 'xla:cpu');
    tf.registerBackend('reads-test', () => engine);
    for (const { kernelName, kernelFunc } of tf.getKernelsForBackend('xla:cpu'))
      tf.registerKernel({ kernelName, backendName: 'reads-test', kernelFunc });
    await tf.setBackend('reads-test');
    try {
      const x = tf.ones([500, 500]) as tf.Tensor2D;
      const y = tf.tidy(() => tf.mean(tf.matMul(tf.matMul(tf.matMul(x, x), x), x)));
      const read = y.data();
      await new Promise((resolve) => setTimeout(resolve, 60));
      const late = tf.add(y, 1);
      const reads = [read, late.data()].map((promise) => promise.then(String, String));
      tf.removeBackend('reads-test');
      const answers = await Promise.all(reads);
      expect(answers[1]).toMatch(/the engine was disposed/);
      if (answers[0] !== String(500 ** 3)) expect(answers[0]).toMatch(/the engine was disposed/);
    } finally {
      await tf.setBackend('xla:cpu');
    }
    before = counts();
  });

  test('does not keep the process alive, nor let it end too early', async () => {
    const script = `
      import { tf, useEngine } from '@tesserae/tensor';
      import { xla } from ${JSON.stringify(join(import.meta.dirname, 'provider.ts'))};
      await useEngine('xla:cpu', [xla]);
      const x = tf.ones([300, 300]);
      console.log((await tf.matMul(x, x).data())[0]);
      console.log((await tf.add(tf.matMul(x, x), 1).data())[0]);`;
    const flags = ['-C', '@tesserae/source', '--disable-warning=ExperimentalWarning', '--input-type=module', '-e'];
    const { stdout } = await promisify(execFile)(process.execPath, [...flags, script], {
      cwd: import.meta.dirname,
      timeout: 60_000,
    });
    expect(stdout).toBe('300\n301\n');
  });
});
