import { createRequire } from 'node:module';
import * as util from 'node:util';
import { EngineUnavailableError, registerHostKernels, tf, useEngine } from '@tesserae/tensor';
import { beforeAll, describe, expect, test } from 'vitest';
import { tensorflow, type TensorflowBackend } from './index.ts';

const probe = await tensorflow.probe('tensorflow');
if (!probe.available) {
  console.log(`The tests that compute with TensorFlow are skipped, because ${probe.reason} ${probe.remedy}`);
}

test('importing the engine loads no addon and registers no backend', () => {
  expect(tf.findBackendFactory('tensorflow')).toBeNull();
  expect(Object.keys(createRequire(import.meta.url).cache).filter((file) => file.endsWith('.node'))).toEqual([]);
});

test('where nothing is installed the engine says how to get it', async () => {
  const before = process.env['TESSERAE_HOME'];
  process.env['TESSERAE_HOME'] = '/nowhere';
  try {
    const attempt = useEngine('tensorflow', [tensorflow]);
    await expect(attempt).rejects.toThrow(EngineUnavailableError);
    await expect(attempt).rejects.toThrow('npx tesserae engine install tensorflow');
    await expect(useEngine('tensorflow')).rejects.toThrow('`tensorflow` from @tesserae/tensorflow');
  } finally {
    if (before === undefined) delete process.env['TESSERAE_HOME'];
    else process.env['TESSERAE_HOME'] = before;
  }
});

describe.skipIf(!probe.available)('with TensorFlow', () => {
  beforeAll(async () => {
    await useEngine('tensorflow', [tensorflow]);
  });

  test('it is the backend, on the one tensor core, and nothing global is patched', () => {
    expect(tf.getBackend()).toBe('tensorflow');
    expect('isNullOrUndefined' in util).toBe('isNullOrUndefined' in createRequire(import.meta.url)('util'));
    // The union package would have brought its backends along.
    expect(tf.findBackendFactory('webgl')).toBeNull();
  });

  test('computes, and its gradients are those of the tensor package', async () => {
    const before = tf.memory().numTensors;
    const values = tf.tidy(() => {
      const x = tf.tensor4d([1, 2, 3, 4, 5, 6, 7, 8, 9], [1, 3, 3, 1]);
      const filter = tf.ones<tf.Rank.R4>([2, 2, 1, 1]);
      const loss = (w: tf.Tensor): tf.Scalar => tf.sum(tf.square(tf.conv2d(x, w as tf.Tensor4D, 1, 'valid')));
      // The sums of the four windows are 12, 16, 24, 28; d/dw of their squares' sum is 2 * sum(window sum * x).
      return tf.grad(loss)(filter).dataSync();
    });
    expect([...values]).toEqual([
      2 * (12 * 1 + 16 * 2 + 24 * 4 + 28 * 5),
      2 * (12 * 2 + 16 * 3 + 24 * 5 + 28 * 6),
      2 * (12 * 4 + 16 * 5 + 24 * 7 + 28 * 8),
      2 * (12 * 5 + 16 * 6 + 24 * 8 + 28 * 9),
    ]);
    expect(tf.memory().numTensors).toBe(before);
    expect(await registerHostKernels('tensorflow')).toEqual([]);
  });

  test.each([0, 1, 2])('a transposed convolution with %i explicit zeros is the gradient of the convolution', (pad) => {
    const before = tf.memory().numTensors;
    tf.tidy(() => {
      const y = tf.randomUniform<tf.Rank.R4>([1, 4, 4, 2], -1, 1, 'float32', 1);
      const w = tf.randomUniform<tf.Rank.R4>([3, 3, 1, 2], -1, 1, 'float32', 2);
      const size = 4 - 1 + 3 - 2 * pad;
      const borders: [[number, number], [number, number], [number, number], [number, number]] = [
        [0, 0],
        [pad, pad],
        [pad, pad],
        [0, 0],
      ];
      const result = tf.conv2dTranspose(y, w, [1, size, size, 1], 1, pad);
      const x = tf.randomUniform<tf.Rank.R4>([1, size, size, 1], -1, 1, 'float32', 3);
      const forward = tf.conv2d(tf.pad(x, borders), w, 1, 'valid');
      // <conv(x), y> = <x, conv^T(y)>
      const [left, right] = [tf.sum(tf.mul(forward, y)), tf.sum(tf.mul(x, result))];
      expect(left.dataSync()[0]).toBeCloseTo(right.dataSync()[0]!, 4);
    });
    expect(tf.memory().numTensors).toBe(before);
  });

  test.each([
    [
      'scatterND by a vector of indices',
      () => tf.scatterND(tf.tensor1d([2, 0], 'int32'), tf.tensor1d([5, 7]), [3]),
      [7, 0, 5],
    ],
    ['round of large whole numbers', () => tf.round(tf.tensor1d([-12345678, 3], 'int32')), [-12345678, 3]],
    ['sign of NaN', () => tf.sign(tf.tensor1d([NaN, -2, 3])), [0, -1, 1]],
    ['explicitly padded pooling', () => tf.maxPool(tf.tensor3d([1, 2, 3, 4], [2, 2, 1]), 2, 2, 1), [1, 2, 3, 4]],
  ])('%s', (title, compute, expected) => {
    const before = tf.memory().numTensors;
    const { hostFallbacks } = tf.backend() as TensorflowBackend;
    const pooled = hostFallbacks.get('MaxPool') ?? 0;
    const result = tf.tidy(compute);
    expect([...result.dataSync()]).toEqual(expected);
    expect(tf.memory().numTensors).toBe(before + 1);
    expect(hostFallbacks.get('MaxPool') ?? 0).toBe(pooled + (title.includes('pooling') ? 1 : 0));
    result.dispose();
  });
});
