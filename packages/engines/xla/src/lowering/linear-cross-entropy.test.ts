/** Cross entropies against a formula in plain ops, with and without tiles. */
import { compile, ops, random, scope, tf, useEngine } from '@tesserae/tensor';
import { checkGradients, expectClose } from '@tesserae/tensor/testing';
import { beforeAll, describe, expect, test } from 'vitest';
import { xla } from '../provider.ts';
import { largestTensor } from '../testing/largest-tensor.ts';
import { xlaAvailable } from '../testing/xla-available.ts';

type Inputs = readonly [features: tf.Tensor, weight: tf.Tensor, bias: tf.Tensor, labels: tf.Tensor, dy: tf.Tensor];

function inputsOf(rows: number, dim: number, vocabulary: number): Inputs {
  const normal = (seed: number, ...shape: number[]): tf.Tensor => random.normal(random.key(seed), shape);
  return [
    normal(1, rows, dim),
    normal(2, dim, vocabulary),
    normal(3, vocabulary),
    tf.tensor1d(
      Array.from({ length: rows }, (_, i) => (i * 7919) % vocabulary),
      'int32',
    ),
    normal(4, rows),
  ];
}

type Loss = (features: tf.Tensor, weight: tf.Tensor, bias: tf.Tensor | undefined, labels: tf.Tensor) => tf.Tensor;

const fused: Loss = (features, weight, bias, labels) =>
  ops.linearCrossEntropy({ features, weight, labels, ...(bias && { bias }) });

const fromLogits: Loss = (features, weight, bias, labels) => {
  const logits = tf.matMul(features, weight);
  return ops.softmaxCrossEntropy(bias === undefined ? logits : tf.add(logits, bias), labels);
};

/** The logarithm of the softmax at the label, by a matrix of zeros and ones. */
const reference: Loss = (features, weight, bias, labels) => {
  const logits = tf.add(tf.matMul(features, weight), bias ?? 0);
  const classes = tf.range(0, weight.shape[1] as number, 1, 'int32');
  const target = tf.cast(tf.equal(tf.expandDims(labels, 1), classes), 'float32');
  return tf.neg(tf.sum(tf.mul(tf.logSoftmax(logits), target), 1));
};

/** Losses and gradients, with and without a bias. */
function evaluate(loss: Loss, [features, weight, bias, labels, dy]: Inputs): tf.Tensor[] {
  const biased = (f: tf.Tensor, w: tf.Tensor, b: tf.Tensor): tf.Tensor => loss(f, w, b, labels);
  const plain = (f: tf.Tensor, w: tf.Tensor): tf.Tensor => loss(f, w, undefined, labels);
  return [
    biased(features, weight, bias),
    ...tf.grads(biased)([features, weight, bias], dy),
    plain(features, weight),
    ...tf.grads(plain)([features, weight], dy),
  ];
}

describe.skipIf(!(await xlaAvailable()))('LinearCrossEntropy and SoftmaxCrossEntropy', () => {
  beforeAll(async () => {
    await useEngine('xla:cpu', [xla]);
  });

  test.each([
    [5, 3, 7],
    [1, 1, 1],
    [2100, 2, 1203], // tiles of rows and of the vocabulary, neither whole
  ])('%i rows of %i, %i classes', (rows, dim, vocabulary) => {
    using _ = scope();
    using program = compile((...inputs: tf.Tensor[]) =>
      [reference, fused, fromLogits].map((loss) => evaluate(loss, inputs as unknown as Inputs)),
    );
    const [expected, ...others] = program(...inputsOf(rows, dim, vocabulary)) as [tf.Tensor[], ...tf.Tensor[][]];
    for (const results of others) {
      // Sums of thousands of terms with both signs.
      results.forEach((x, i) => expectClose(x, expected[i] as tf.Tensor, { rtol: 1e-4, atol: 1e-4 }));
    }
  });

  test('has the gradient of finite differences, and second derivatives', () => {
    using _ = scope();
    const [features, weight, bias, labels] = inputsOf(4, 3, 6);
    const loss = (f: tf.Tensor): tf.Tensor => fused(f, weight, bias, labels);
    checkGradients((...x) => fused(...(x as [tf.Tensor, tf.Tensor, tf.Tensor]), labels), [features, weight, bias], {
      elements: 6,
    });
    checkGradients((f) => tf.grad((x: tf.Tensor) => tf.sum(loss(x)))(f as tf.Tensor), [features], { elements: 4 });
  });

  test('survives large logits and logits of -Infinity', () => {
    using _ = scope();
    const labels = tf.tensor1d([1], 'int32');
    const features = tf.ones([1, 1]);
    expectClose(ops.linearCrossEntropy({ features, weight: tf.tensor2d([[1000, 0]]), labels }), [1000]);
    const bias = tf.tensor1d([-Infinity, 2]);
    expectClose(ops.linearCrossEntropy({ features, weight: tf.zeros([1, 2]), bias, labels }), [0]);
  });

  test('keeps no logits, forward or backward', () => {
    using _ = scope();
    const [rows, dim, vocabulary] = [4096, 64, 32768];
    const labels = tf.zeros([rows], 'int32');
    const largest = largestTensor(() => {
      using program = compile((f: tf.Tensor, w: tf.Tensor) =>
        tf.grads((x: tf.Tensor, y: tf.Tensor) => tf.mean(ops.linearCrossEntropy({ features: x, weight: y, labels })))([
          f,
          w,
        ]),
      );
      program(tf.zeros([rows, dim]), tf.zeros([dim, vocabulary]));
    });
    expect(largest).toBe(dim * vocabulary);
  });
});
