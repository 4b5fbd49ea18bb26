/** The cross-entropy kernels, interpreted on the host, against double precision. */
import { expectClose } from '@tesserae/tensor/testing';
import { describe, expect, test } from 'vitest';
import { Node } from '../graph/node.ts';
import { linearCrossEntropyKernel, logitGradientKernel } from './linear-cross-entropy.ts';
import {
  linearCrossEntropy,
  linearCrossEntropyFits,
  linearCrossEntropyGradient,
} from './linear-cross-entropy-calls.ts';
import { crossEntropy, crossEntropyFits, crossEntropyKernel } from './softmax-cross-entropy.ts';
import { interpret } from './testing/interpret.ts';

const numbers = (count: number, seed: number): Float32Array =>
  Float32Array.from({ length: count }, (_, i) => 2 * Math.sin(12.9898 * (i + 1) + 78.233 * seed));

function logSumExpOf(row: readonly number[]): number {
  const highest = Math.max(...row);
  return highest + Math.log(row.reduce((sum, x) => sum + Math.exp(x - highest), 0));
}

const close = { rtol: 2e-5, atol: 2e-6 };

test.each([
  [3, 64],
  [2, 37],
  [2, 101],
])('cross entropy of %i rows over %i words', (rows, words) => {
  const logits = numbers(rows * words, 1).map((x, i) => (i % 7 === 3 ? -Infinity : 9 * x));
  const labels = Int32Array.from({ length: rows }, (_, i) => i);
  const [loss, logSumExp] = [new Float32Array(rows), new Float32Array(rows)];
  const kernel = crossEntropyKernel(words, { columns: 32, warps: 1, stages: 1 });
  interpret(kernel, [rows, 1, 1], [logits, labels, loss, logSumExp]);
  const expected = Float32Array.from({ length: rows }, (_, i) =>
    logSumExpOf([...logits.subarray(i * words, (i + 1) * words)]),
  );
  expectClose(logSumExp, expected, close);
  expectClose(
    loss,
    expected.map((x, i) => x - (logits[i * words + i] as number)),
    close,
  );
});

describe.each([true, false])('cross entropy of a linear layer, bias: %s', (withBias) => {
  const [rows, width, vocabulary] = [19, 32, 45];
  const shape = { rows, width, vocabulary, bias: withBias };
  const tiling = { rows: 16, columns: 16, inner: 16, warps: 1, stages: 1 };
  // Of few bits, so that bfloat16 and tf32 hold them exactly.
  const coarse = (count: number, seed: number): Float32Array =>
    numbers(count, seed).map((x) => Math.round(16 * x) / 16);
  const [features, weight] = [coarse(rows * width, 1), coarse(vocabulary * width, 2)];
  const bias = withBias ? [numbers(vocabulary, 3)] : [];
  const labels = Int32Array.from({ length: rows }, (_, i) => (i * 7) % vocabulary);
  const logits = Array.from({ length: rows }, (_, i) =>
    Array.from({ length: vocabulary }, (__, v) => {
      let sum = bias[0]?.[v] ?? 0;
      for (let d = 0; d < width; d++) sum += (features[i * width + d] as number) * (weight[v * width + d] as number);
      return sum;
    }),
  );
  const logSumExp = Float32Array.from(logits, logSumExpOf);

  test('forward', () => {
    const share = 32;
    const [maxima, sums, hits] = [0, 0, 0].map(() => new Float32Array(2 * rows)) as [
      Float32Array,
      Float32Array,
      Float32Array,
    ];
    const kernel = linearCrossEntropyKernel(shape, tiling, share, 'bfloat16');
    interpret(kernel, [2, 2, 1], [features, weight, ...bias, labels, maxima, sums, hits]);
    const at = (pair: Float32Array, i: number): [number, number] => [pair[i] as number, pair[rows + i] as number];
    const found = Float32Array.from({ length: rows }, (_, i) => {
      const [m, s] = [at(maxima, i), at(sums, i)];
      return Math.LN2 * Math.log2(s[0] * 2 ** m[0] + s[1] * 2 ** m[1]);
    });
    expectClose(found, logSumExp, close);
    const hit = Float32Array.from({ length: rows }, (_, i) => Math.LN2 * (at(hits, i)[0] + at(hits, i)[1]));
    expectClose(
      hit,
      Float32Array.from(logits, (row, i) => row[labels[i] as number] as number),
      close,
    );
  });

  test('gradient of a chunk', () => {
    const dLoss = numbers(rows, 5);
    const [first, chunk] = [16, 29];
    const part = weight.subarray(first * width);
    const shifted = labels.map((label) => label - first);
    const dLogits = new Float32Array(rows * chunk);
    const kernel = logitGradientKernel({ ...shape, vocabulary: chunk }, tiling, 'tf32');
    const operands = [features, part, ...bias.map((b) => b.subarray(first)), shifted, logSumExp, dLoss];
    interpret(kernel, [2, 2, 1], [...operands, dLogits]);
    const expected = Float32Array.from(dLogits, (_, i) => {
      const [row, word] = [Math.floor(i / chunk), first + (i % chunk)];
      const weightOf = Math.exp((logits[row]?.[word] as number) - (logSumExp[row] as number));
      return (weightOf - (labels[row] === word ? 1 : 0)) * (dLoss[row] as number);
    });
    expectClose(dLogits, expected, { rtol: 1e-4, atol: 1e-6 });
  });
});

test('fits, and the shapes of the calls', () => {
  const f32 = (...shape: number[]): Node => new Node('f32', shape);
  const labels = new Node('i32', [5]);
  expect(crossEntropyFits('cuda', f32(5, 7))).toBe(true);
  expect(crossEntropyFits('cpu', f32(5, 7))).toBe(false);
  expect(crossEntropy(f32(5, 7), labels).map(({ text }) => text)).toEqual(['tensor<5xf32>', 'tensor<5xf32>']);
  const inputs = { features: f32(5, 3), weight: f32(3, 1000), bias: f32(1000), labels };
  expect(linearCrossEntropyFits('cuda', inputs)).toBe(true);
  expect(linearCrossEntropyFits('cpu', inputs)).toBe(false);
  for (const precision of ['float32', 'tf32', 'bfloat16'] as const) {
    const [loss, logSumExp] = linearCrossEntropy(inputs, precision);
    expect([loss.text, logSumExp.text]).toEqual(['tensor<5xf32>', 'tensor<5xf32>']);
    const gradients = linearCrossEntropyGradient({ ...inputs, logSumExp, dLoss: f32(5) }, precision);
    expect(gradients.map(({ text }) => text)).toEqual(['tensor<5x3xf32>', 'tensor<3x1000xf32>', 'tensor<1000xf32>']);
  }
});
