/** Programs on the four devices of the CPU plugin: the same numbers as on one, and the memory that placements promise. */
import {
  MeshError,
  compile,
  currentMesh,
  mesh,
  random,
  scope,
  shard,
  tf,
  useEngine,
  valueAndGrad,
  withMesh,
} from '@tesserae/tensor';
import type { Mesh, ShardSpec } from '@tesserae/tensor';
import { expectClose } from '@tesserae/tensor/testing';
import { afterEach, beforeAll, beforeEach, describe, expect, test } from 'vitest';
import type { XlaBackend } from '../backend.ts';
import type { DeviceBuffer } from '../pjrt/client.ts';
import { xla } from '../provider.ts';
import { xlaAvailable } from '../testing/xla-available.ts';

const backend = (): XlaBackend => tf.backend() as XlaBackend;
const bufferOf = (tensor: tf.Tensor): DeviceBuffer => backend().bufferOf(backend().leafOf(tensor));
const ramp = (shape: number[]): tf.Tensor =>
  tf.tensor(
    Float32Array.from({ length: tf.util.sizeFromShape(shape) }, (_, i) => Math.sin(i)),
    shape,
  );
const meshes: [string, Mesh][] = [
  ['data 4', mesh({ data: 4 })],
  ['data 2 × model 2', mesh({ data: 2, model: 2 })],
  ['data 3', mesh({ data: 3 })],
];

describe.skipIf(!(await xlaAvailable()))('a mesh', () => {
  let before: { tensors: number; bytes: number };
  const inUse = (): typeof before => {
    backend().flush();
    return { tensors: tf.memory().numTensors, bytes: backend().client.bytesInUse };
  };
  beforeAll(async () => {
    await useEngine('xla:cpu', [xla]);
  });
  beforeEach(() => {
    before = inUse();
  });
  afterEach(() => {
    tf.disposeVariables();
    expect(inUse()).toEqual(before);
  });

  test.each(meshes)('of %s computes what one device does, in and after the scope', (_, grid) => {
    using _scope = scope();
    const [a, b] = [ramp([12, 24]), ramp([24, 12])];
    const program = (): tf.Tensor => tf.softmax(tf.matMul(a, b).add(random.normal(random.key(5), [12, 12])));
    const expected = program().dataSync();
    const result = withMesh(grid, () => {
      a.dataSync();
      const [x, y] = [shard(a, ['data']), shard(b, [null, grid.axes.model === undefined ? null : 'model'])];
      return tf.softmax(tf.matMul(x, y).add(random.normal(random.key(5), [12, 12])));
    });
    // Sums are ordered by the size of the parts.
    expectClose(result, [...expected], { atol: 1e-6 });
    expect(tf.add(result, 0).dataSync()).toEqual(result.dataSync());
    expect(a.dataSync()).toEqual(ramp([12, 24]).dataSync());
  });

  test('splits what is sharded and nothing else', () => {
    using _scope = scope();
    withMesh(mesh({ data: 2, model: 2 }), () => {
      const bytes = (spec: ShardSpec): number => bufferOf(shard(ramp([8, 16]), spec)).bytes;
      const one = 4 * 8 * 16;
      expect([bytes([]), bytes(['data']), bytes([null, 'model'])]).toEqual([4 * one, 2 * one, 2 * one]);
      expect([bytes(['data', 'model']), bytes([['data', 'model']]), bytes([null, ['model', 'data']])]).toEqual([
        one,
        one,
        one,
      ]);
      const computed = tf.add(ramp([8, 16]), 1);
      for (const spec of [['data'], [['model', 'data'], null], ['model', 'data']] as ShardSpec[]) {
        const laid = shard(computed, spec);
        expect(laid.dataSync()).toEqual(computed.dataSync());
        expect(shard(laid, []).dataSync()).toEqual(computed.dataSync());
      }
    });
  });

  test.each(meshes.slice(0, 2))('of %s trains like one device, in place, without tracing again', (_, grid) => {
    using _scope = scope();
    const run = (spec: ShardSpec, batchSpec: ShardSpec): { losses: number[]; weight: number[] } => {
      const weight = tf.variable(ramp([16, 8]));
      const moment = tf.variable(tf.zeros([16, 8]));
      for (const variable of [weight, moment]) tf.tidy(() => variable.assign(shard(variable, spec)));
      const step = compile((x: tf.Tensor, index: tf.Scalar) => {
        const { value, grads } = valueAndGrad(
          () => {
            const noise = random.normal(random.foldIn(random.key(1), index), [12, 8]);
            return tf.mean(tf.square(tf.sub(tf.matMul(x, weight as tf.Tensor), noise))) as tf.Scalar;
          },
          { weight },
        );
        moment.assign(tf.add(tf.mul(moment, 0.9), grads['weight'] as tf.Tensor));
        weight.assign(tf.sub(weight, tf.mul(moment, 0.1)));
        return value;
      });
      const losses = Array.from({ length: 20 }, (_step, i) =>
        tf.tidy(() => step(shard(ramp([12, 16]), batchSpec), tf.scalar(i, 'int32')).dataSync()[0] as number),
      );
      expect(step.traces).toBe(1);
      if (backend().mesh !== undefined) {
        // Held: each device's part of both, with nothing kept of the old values.
        const parts = spec.length === 0 ? 1 : grid.size;
        expect(bufferOf(weight).bytes + bufferOf(moment).bytes).toBe((2 * 4 * 16 * 8 * grid.size) / parts);
      }
      step.dispose();
      const result = { losses, weight: [...weight.dataSync()] };
      weight.dispose();
      moment.dispose();
      return result;
    };
    const expected = run([], []);
    for (const spec of [[], [['data', ...(grid.axes.model === undefined ? [] : ['model'])]]] as ShardSpec[]) {
      const { losses, weight } = withMesh(grid, () => run(spec, ['data']));
      losses.forEach((loss, i) => expect(loss).toBeCloseTo(expected.losses[i] as number, 5));
      weight.forEach((value, i) => expect(value).toBeCloseTo(expected.weight[i] as number, 5));
    }
  });

  test('frees the values that a step replaced, however they lay', () => {
    using _scope = scope();
    withMesh(mesh({ data: 4 }), () => {
      const state = tf.variable(ramp([16, 16]));
      const step = compile(() => {
        state.assign(tf.mul(state, 0.5));
        return tf.sum(state);
      });
      tf.dispose(step());
      const held = inUse().bytes;
      for (let i = 0; i < 5; i++) tf.dispose(step());
      expect(inUse().bytes).toBe(held);
      // Another placement than the program was traced with: moved once, values kept.
      tf.tidy(() => state.assign(shard(state, ['data'])));
      const expected = state.dataSync().map((value) => value / 2);
      tf.dispose(step());
      expect(state.dataSync()).toEqual(expected);
      step.dispose();
    });
  });

  test('takes arguments that share data by reshaping', () => {
    using _scope = scope();
    withMesh(mesh({ data: 4 }), () => {
      const x = shard(ramp([8, 4]), ['data']);
      using double = compile((value: tf.Tensor) => tf.mul(value, 2));
      expect(double(tf.reshape(x, [4, 8])).shape).toEqual([4, 8]);
      expect(double(tf.reshape(x, [4, 8])).dataSync()).toEqual(tf.mul(ramp([32]), 2).dataSync());
      expect(double(x).dataSync()).toEqual(tf.mul(ramp([32]), 2).dataSync());
    });
  });

  test('ends with the scope, also after an error or a wait', async () => {
    const one = mesh({ data: 2 });
    expect(() =>
      withMesh(one, () => {
        throw new Error('inside');
      }),
    ).toThrow('inside');
    expect(backend().mesh).toBeUndefined();
    const waiting = withMesh(one, async () => {
      await Promise.resolve();
      return backend().mesh;
    });
    expect(await waiting).toBe(one);
    expect(backend().mesh).toBeUndefined();
  });

  test('larger than the engine is an error, and so is a shape that cannot be split', () => {
    expect(() => withMesh(mesh({ data: 64 }), () => 0)).toThrow(MeshError);
    expect(() => withMesh(mesh({ data: 64 }), () => 0)).toThrow(/data 64 needs 64 devices, but the engine has 4/);
    using _scope = scope();
    withMesh(mesh({ data: 4 }), () => {
      expect(() => shard(ramp([6, 4]), ['data'])).toThrow(/dimension 0 of size 6 over 4 devices/);
      expect(() => shard(ramp([8]), ['model'])).toThrow(/shape \[8\] with spec \['model'\] names axis 'model'/);
      expect(() => shard(ramp([8]), ['data', null])).toThrow(/more entries than dimensions/);
      expect(() => shard(ramp([8, 8]), ['data', 'data'])).toThrow(/twice/);
    });
    expect(shard(ramp([6]), ['data']).dataSync()).toEqual(ramp([6]).dataSync());
  });

  test('flows that overlap leave no mesh behind', async () => {
    const steps: (() => void)[] = [];
    const pause = (): Promise<void> => new Promise((resolve) => steps.push(resolve));
    const first = withMesh(mesh({ data: 2 }), pause);
    const second = withMesh(mesh({ data: 4 }), pause);
    steps[0]?.();
    await first;
    expect(currentMesh()?.size).toBe(4);
    steps[1]?.();
    await second;
    expect(currentMesh()).toBeUndefined();
  });
});
