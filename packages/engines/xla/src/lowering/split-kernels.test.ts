/** Kernels that each device computes for itself: on a mesh the same values as on one device, with their gradients. */
import { mesh, ops, scope, shard, tf, useEngine, withMesh } from '@tesserae/tensor';
import type { Mesh } from '@tesserae/tensor';
import { expectClose } from '@tesserae/tensor/testing';
import { beforeAll, describe, expect, test } from 'vitest';
import type { XlaBackend } from '../backend.ts';
import { xla } from '../provider.ts';
import { xlaAvailable } from '../testing/xla-available.ts';

const wave = (shape: number[], phase = 0): tf.Tensor =>
  tf.tensor(
    Float32Array.from({ length: tf.util.sizeFromShape(shape) }, (_, i) => Math.sin(3 * i + phase)),
    shape,
  );
const labels = (size: number, below: number): tf.Tensor1D =>
  tf.tensor1d(
    Int32Array.from({ length: size }, (_, i) => (7 * i) % below),
    'int32',
  );

const cases: Record<string, () => tf.Tensor[]> = {
  attention: () => {
    const [q, k, v] = [wave([4, 4, 32, 8]), wave([4, 2, 32, 8], 1), wave([4, 2, 32, 8], 2)] as tf.Tensor4D[];
    const mask = wave([4, 1, 32, 32], 3) as tf.Tensor4D;
    const loss = (query: tf.Tensor, key: tf.Tensor, value: tf.Tensor): tf.Scalar =>
      tf.sum(tf.square(ops.attention({ query, key, value, causal: true, mask }))) as tf.Scalar;
    return tf.grads((...inputs) => loss(...(inputs as [tf.Tensor, tf.Tensor, tf.Tensor])))([
      shard(q as tf.Tensor, ['data']),
      k as tf.Tensor,
      v as tf.Tensor,
    ]);
  },
  softmaxCrossEntropy: () => {
    const loss = (logits: tf.Tensor): tf.Scalar =>
      tf.mean(ops.softmaxCrossEntropy(logits, labels(12, 20))) as tf.Scalar;
    return [tf.grad(loss)(wave([12, 20])), loss(wave([12, 20]))];
  },
  linearCrossEntropy: () => {
    const loss = (features: tf.Tensor, weight: tf.Tensor, bias: tf.Tensor): tf.Scalar =>
      tf.mean(ops.linearCrossEntropy({ features, weight, bias, labels: labels(12, 20) } as never)) as tf.Scalar;
    return tf.grads((...inputs) => loss(...(inputs as [tf.Tensor, tf.Tensor, tf.Tensor])))([
      wave([12, 8]),
      wave([8, 20], 1),
      wave([20], 2),
    ]);
  },
  selectiveScan: () => {
    const inputs = [wave([4, 9, 3]), tf.square(wave([4, 9, 3], 1)), tf.neg(tf.square(wave([3, 2], 2)))];
    const maps = [wave([4, 9, 2], 3), wave([4, 9, 2], 4), wave([3], 5)];
    const scan = (...[x, delta, a, b, c, skip]: tf.Tensor[]): tf.Tensor =>
      tf.sum(tf.square(ops.selectiveScan({ x, delta, a, b, c, skip } as never)));
    return tf.grads(scan)([...inputs, ...maps]);
  },
  nearestCode: () => [tf.cast(ops.nearestCode(wave([12, 4]), wave([9, 4], 1)), 'float32')],
  // Sizes that the devices do not divide are left to XLA.
  uneven: () => [tf.cast(ops.nearestCode(wave([11, 4]), wave([9, 4], 1)), 'float32')],
};
const meshes: [string, Mesh][] = [
  ['data 4', mesh({ data: 4 })],
  ['data 2 × model 2', mesh({ data: 2, model: 2 })],
];

describe.skipIf(!(await xlaAvailable()))('on a mesh', () => {
  beforeAll(async () => {
    await useEngine('xla:cpu', [xla]);
  });

  describe.each(meshes)('of %s', (_, grid) => {
    test.each(Object.keys(cases))('%s is that of one device', (name) => {
      using _scope = scope();
      const compute = cases[name] as () => tf.Tensor[];
      const expected = compute().map((tensor) => [...tensor.dataSync()]);
      const actual = withMesh(grid, () => compute().map((tensor) => [...tensor.dataSync()]));
      expect(actual).toHaveLength(expected.length);
      actual.forEach((values, i) => expectClose(values, expected[i] as number[], { atol: 2e-6 }));
      expect((tf.backend() as XlaBackend).hostFallbacks.size).toBe(0);
    });
  });
});
