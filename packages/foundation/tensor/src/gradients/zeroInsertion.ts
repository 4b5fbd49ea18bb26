/**
 * Zero insertion: the adjoint of taking every s-th element. It turns a dilated filter into a plain one and a strided
 * slice's gradient into the input's shape.
 */
import * as tf from '@tensorflow/tfjs-core';

/**
 * Puts `steps[axis] - 1` zeros between neighbours along each axis.
 *
 * Shapes: x [..., n, ...] -> [..., (n - 1) s + 1, ...].
 */
export function insertZeros(x: tf.Tensor, steps: readonly number[]): tf.Tensor {
  let result = x;
  steps.forEach((step, axis) => {
    if (step > 1) result = insertZerosAlong(result, axis, step);
  });
  return result;
}

function insertZerosAlong(x: tf.Tensor, axis: number, step: number): tf.Tensor {
  const before = x.shape.slice(0, axis);
  const after = x.shape.slice(axis + 1);
  const n = x.shape[axis] ?? 1;
  if (n <= 1) return x;
  const outer = tf.util.sizeFromShape(before);
  const inner = tf.util.sizeFromShape(after);
  const columns = tf.reshape(x, [outer, n, 1, inner]);
  const spaced = tf.pad(columns, [
    [0, 0],
    [0, 0],
    [0, step - 1],
    [0, 0],
  ]); // [outer, n, s, inner]
  const trimmed = tf.slice(tf.reshape(spaced, [outer, n * step, inner]), [0, 0, 0], [outer, (n - 1) * step + 1, inner]);
  return tf.reshape(trimmed, [...before, (n - 1) * step + 1, ...after]);
}

/** Every `steps[axis]`-th element along each axis, from the first: what {@link insertZeros} is the adjoint of. */
export function takeEvery(x: tf.Tensor, steps: readonly number[]): tf.Tensor {
  if (steps.every((step) => step === 1)) return x;
  return tf.stridedSlice(
    x,
    x.shape.map(() => 0),
    x.shape,
    [...steps],
  );
}
