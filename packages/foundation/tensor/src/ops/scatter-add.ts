/** Sums rows into the places that their indices name: the transpose of gather, and of an embedding lookup. */
import * as tf from '@tensorflow/tfjs-core';
import { checkTensor, describe } from './check.ts';

/**
 * result[k] = sum of updates[n] over all n with indices[n] = k.
 *
 * The gradient for `updates` is a gather; there is none for `indices`.
 *
 * @param indices int32 [N], in [0, size); others are the caller's error.
 * @param updates float32 [N, ...].
 * @param size number of rows of the result.
 * @returns float32 [size, ...].
 */
export function scatterAdd(indices: tf.Tensor, updates: tf.Tensor, size: number): tf.Tensor {
  checkTensor('scatterAdd', 'indices', indices, { dtype: 'int32', ranks: [1], shape: ' [N]' });
  checkTensor('scatterAdd', 'updates', updates, {});
  if (updates.rank < 1 || updates.shape[0] !== indices.shape[0]) {
    throw new RangeError(
      `scatterAdd: 'updates' must have a row for each index, but got indices ${describe(indices)}, updates ${describe(updates)}.`,
    );
  }
  if (!Number.isInteger(size) || size < 1)
    throw new RangeError(`scatterAdd: 'size' must be a positive integer, but got ${size}.`);
  const op = tf.customGrad((input, save) => {
    (save as tf.GradSaveFunc)([indices]);
    return {
      value: tf.unsortedSegmentSum(input as tf.Tensor, indices as tf.Tensor1D, size),
      gradFunc: (dy: tf.Tensor, [saved]: tf.Tensor[]) => tf.gather(dy, saved as tf.Tensor1D),
    };
  });
  return op(updates);
}
