/**
 * Writes a block into a tensor at a position that is itself a tensor, as `jax.lax.dynamic_update_slice_in_dim`.
 *
 * A compiled step that fills a buffer row by row, such as the keys and values of cached decoding, has one shape for all
 * positions, and where the buffer is donated (`compile`'s option) or carried by a loop only the block is written. Engines
 * without the kernel select between the two, which writes all of it.
 */
import * as tf from '@tensorflow/tfjs-core';
import { checkTensor, describe, normalAxis } from './check.ts';
import { hasKernel, runKernel } from './fused-kernel.ts';

/** Options of {@link updateSlice}. */
export interface UpdateSliceOptions {
  /** The axis that `start` counts along; default 0. */
  axis?: number;
}

const int = (value: number): tf.Scalar => tf.scalar(value, 'int32');

/** The rows start … start + count - 1, start clamped so that they exist. int32 [count]. */
function rowsAt(start: tf.Tensor, count: number, length: number): tf.Tensor1D {
  const first = tf.minimum(tf.maximum(start, int(0)), int(length - count));
  return tf.add(tf.range(0, count, 1, 'int32'), first);
}

function composed(x: tf.Tensor, update: tf.Tensor, start: tf.Tensor, axis: number): tf.Tensor {
  const [length, count] = [x.shape[axis] as number, update.shape[axis] as number];
  if (count === length) return tf.clone(update);
  const first = tf.slice(rowsAt(start, count, length), 0, 1);
  const row = tf.sub(tf.range(0, length, 1, 'int32'), first); // [length]: which row of the block belongs here
  const last = tf.minimum(tf.maximum(row, int(0)), int(count - 1)) as tf.Tensor1D;
  const isNew = tf.reshape(
    tf.equal(row, last),
    x.shape.map((_, i) => (i === axis ? length : 1)),
  );
  return tf.where(isNew, count === 1 ? update : tf.gather(update, last, axis), x);
}

function write(x: tf.Tensor, update: tf.Tensor, start: tf.Tensor, axis: number): tf.Tensor {
  const op = tf.customGrad((...args) => {
    const [whole, block, save] = args as unknown as [tf.Tensor, tf.Tensor, tf.GradSaveFunc];
    save([start]);
    return {
      value: hasKernel('UpdateSlice')
        ? (runKernel('UpdateSlice', { x: whole, update: block, start }, { axis })[0] as tf.Tensor)
        : tf.tidy(() => composed(whole, block, start, axis)),
      gradFunc: (dy: tf.Tensor, [at]: tf.Tensor[]) => [
        write(dy, tf.zeros(update.shape), at as tf.Tensor, axis),
        tf.gather(dy, rowsAt(at as tf.Tensor, update.shape[axis] as number, x.shape[axis] as number), axis),
      ],
    };
  });
  return op(x, update);
}

/**
 * x with `update` in place of the rows start … start + n - 1 along an axis. Differentiable to any order in both.
 *
 * @param x float32 or int32, any shape of rank 1 or more.
 * @param update same dtype and shape, but for n ≤ the size along the axis.
 * @param start a number, or an int32 scalar, which is clamped so that the block fits: values are not read.
 * @returns a new tensor like `x`.
 * @throws TypeError for other dtypes; RangeError if shapes do not fit, the axis is not there or a number is out of range.
 */
export function updateSlice(
  x: tf.Tensor,
  update: tf.Tensor,
  start: number | tf.Tensor,
  options: UpdateSliceOptions = {},
): tf.Tensor {
  const dtype = x instanceof tf.Tensor && (x as tf.Tensor).dtype === 'int32' ? 'int32' : 'float32';
  checkTensor('updateSlice', 'x', x, { dtype });
  checkTensor('updateSlice', 'update', update, { dtype });
  const axis = normalAxis('updateSlice', options.axis ?? 0, x.rank);
  const fits =
    update.rank === x.rank &&
    update.shape.every((size, i) => (i === axis ? size >= 1 && size <= (x.shape[i] as number) : size === x.shape[i]));
  if (!fits) {
    throw new RangeError(
      `updateSlice: 'update' must be shaped like 'x' but for at least 1 and at most ${x.shape[axis]} along axis ${axis}, but got x ${describe(x)}, update ${describe(update)}.`,
    );
  }
  const room = (x.shape[axis] as number) - (update.shape[axis] as number);
  if (typeof start !== 'number') {
    checkTensor('updateSlice', 'start', start, { dtype: 'int32', ranks: [0], shape: ' scalar' });
    return write(x, update, start, axis);
  }
  if (!Number.isInteger(start) || start < 0 || start > room)
    throw new RangeError(
      `updateSlice: 'start' must be an integer in [0, ${room}] for x ${describe(x)} and update ${describe(update)}, but got ${start}.`,
    );
  return tf.tidy(() => write(x, update, int(start), axis));
}
