/**
 * Gradients of cumulative sums and products.
 *
 * The sum's is the cumulative sum from the other end. The product's, dx_i = sum over j >= i of dy_j times the product of
 * all x_k, k <= j, without x_i, is not written as a division by x_i, so zeros are allowed; it costs n² memory a row.
 */
import * as tf from '@tensorflow/tfjs-core';
import { axesOf, gradient } from './gradient.ts';

export const cumulativeGradients: tf.GradConfig[] = [
  gradient<tf.CumsumAttrs>('Cumsum', {}, (dy, _, { axis, exclusive, reverse }) => ({
    x: () => tf.cumsum(dy, axis, exclusive, !reverse),
  })),
  gradient<tf.CumprodAttrs>('Cumprod', { inputs: ['x'] }, (dy, [x], { axis, exclusive, reverse }) => ({
    x: () => {
      const along = axesOf(axis, x.rank)[0] ?? 0;
      const others = x.shape.map((_, a) => a).filter((a) => a !== along);
      const permutation = [...others, along];
      const n = x.shape[along] ?? 1;
      const rows = (t: tf.Tensor): tf.Tensor => {
        const moved = tf.reshape(tf.transpose(t, permutation), [-1, n]); // [R, n]
        return reverse ? tf.reverse(moved, 1) : moved;
      };
      const dx = rowGradient(rows(dy), rows(x), exclusive);
      const ordered = tf.reshape(
        reverse ? tf.reverse(dx, 1) : dx,
        permutation.map((a) => x.shape[a] ?? 1),
      );
      return tf.transpose(
        ordered,
        permutation.map((_, a) => permutation.indexOf(a)),
      );
    },
  })),
];

/** Shapes: dy, x [R, n] -> [R, n]. */
function rowGradient(dy: tf.Tensor, x: tf.Tensor, exclusive: boolean): tf.Tensor {
  const n = x.shape[1] ?? 1;
  // Without its own element y_j the product over k < j is the inclusive product one step earlier.
  const inclusive = exclusive
    ? tf.pad(tf.slice(dy, [0, 1], [-1, n - 1]), [
        [0, 0],
        [0, 1],
      ])
    : dy;
  const before = tf.cumprod(x, 1, true); // product of x_k, k < i
  const later = upperTriangle(n, 1); // [i, k] is 1 where k > i
  // [R, i, k]: x_k where k > i, else 1; its cumulative product over k is the product of x_k for i < k <= j.
  const factors = tf.add(tf.mul(tf.expandDims(x, 1), later), tf.sub(1, later));
  const between = tf.mul(tf.cumprod(factors, 2), upperTriangle(n, 0));
  return tf.mul(before, tf.sum(tf.mul(between, tf.expandDims(inclusive, 1)), 2));
}

/** [n, n], 1 where column - row >= offset. */
function upperTriangle(n: number, offset: number): tf.Tensor {
  const values = Float32Array.from({ length: n * n }, (_, at) => ((at % n) - Math.floor(at / n) >= offset ? 1 : 0));
  return tf.tensor2d(values, [n, n]);
}
