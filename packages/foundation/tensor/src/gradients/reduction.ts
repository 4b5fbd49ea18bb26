/**
 * Gradients of reductions. With S the shape with size 1 along the reduced axes, dy is reshaped to S and broadcast.
 *
 * Max and Min give the whole gradient to every element that attains the extremum, as TensorFlow.js does (NumPy-style
 * libraries divide it among ties). Prod multiplies the products of the elements before and after each one, so it is
 * right when elements are zero.
 */
import * as tf from '@tensorflow/tfjs-core';
import { axesOf, float, gradient, keptShape, zeros } from './gradient.ts';

/** dy in the shape of x, repeated along the reduced axes. */
function spread(dy: tf.Tensor, shape: readonly number[], axes: readonly number[]): tf.Tensor {
  const kept = tf.reshape(dy, keptShape(shape, axes));
  return tf.util.arraysEqual(kept.shape, [...shape]) ? kept : tf.tile(kept, repeats(shape, axes));
}

const repeats = (shape: readonly number[], axes: readonly number[]): number[] =>
  shape.map((size, axis) => (axes.includes(axis) ? size : 1));

const sizeAlong = (shape: readonly number[], axes: readonly number[]): number =>
  axes.reduce((product, axis) => product * (shape[axis] ?? 1), 1);

/** Max or Min: dy where x equals the extremum. */
const extremum = (
  kernelName: string,
  forward: (x: tf.Tensor, axes: number[], keepDims: boolean) => tf.Tensor,
  axisOf: (attributes: tf.MaxAttrs & tf.MinAttrs) => number | number[],
): tf.GradConfig =>
  gradient<tf.MaxAttrs & tf.MinAttrs>(kernelName, { inputs: ['x'] }, (dy, [x], attributes) => ({
    x: () => {
      const axes = axesOf(axisOf(attributes), x.rank);
      // Recomputed, not saved: a saved output would not be tied to x in a gradient of a gradient.
      const mask = tf.equal(x, forward(x, axes, true));
      return tf.mul(tf.reshape(dy, keptShape(x.shape, axes)), tf.cast(mask, 'float32'));
    },
  }));

/** A rule for a reduction to indices or truth values. */
const flat = (kernelName: string): tf.GradConfig =>
  gradient(kernelName, { inputs: ['x'] }, (_, [x]) => ({ x: () => zeros(x.shape) }));

export const reductionGradients: tf.GradConfig[] = [
  gradient<tf.SumAttrs>('Sum', { inputs: ['x'] }, (dy, [x], { axis }) => ({
    x: () => spread(dy, x.shape, axesOf(axis, x.rank)),
  })),
  gradient<tf.MeanAttrs>('Mean', { inputs: ['x'] }, (dy, [x], { axis }) => ({
    x: () => {
      const axes = axesOf(axis, x.rank);
      return spread(tf.div(dy, sizeAlong(x.shape, axes)), x.shape, axes);
    },
  })),
  extremum(
    'Max',
    (x, axes, keepDims) => tf.max(x, axes, keepDims),
    ({ reductionIndices, axis }) => reductionIndices ?? axis,
  ),
  extremum(
    'Min',
    (x, axes, keepDims) => tf.min(x, axes, keepDims),
    ({ axis }) => axis,
  ),
  gradient<tf.ProdAttrs>('Prod', { inputs: ['x'] }, (dy, [x], { axis }) => ({
    x: () => {
      const axes = axesOf(axis, x.rank);
      return tf.mul(tf.reshape(dy, keptShape(x.shape, axes)), productOfOthers(float(x), axes));
    },
  })),
  ...['ArgMax', 'ArgMin', 'All', 'Any'].map(flat),
];

/**
 * For each element, the product of all others along `axes`: the exclusive cumulative product from the left times the
 * one from the right.
 */
function productOfOthers(x: tf.Tensor, axes: readonly number[]): tf.Tensor {
  const others = x.shape.map((_, axis) => axis).filter((axis) => !axes.includes(axis));
  const permutation = [...others, ...axes];
  const moved = tf.transpose(x, permutation); // [...others, ...axes]
  const flatShape = [...others.map((axis) => x.shape[axis] ?? 1), sizeAlong(x.shape, axes)];
  const rows = tf.reshape(moved, flatShape); // [...others, n]
  const last = rows.rank - 1;
  const product = tf.mul(tf.cumprod(rows, last, true, false), tf.cumprod(rows, last, true, true));
  const inverse = permutation.map((_, axis) => permutation.indexOf(axis));
  return tf.transpose(tf.reshape(product, moved.shape), inverse);
}
