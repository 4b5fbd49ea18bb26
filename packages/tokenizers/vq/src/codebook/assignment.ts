/**
 * Who chose which code: hits and sums per code of one batch, the quantities that k-means, the moving averages and the
 * usage figures all start from.
 */
import { ops, tf } from '@tesserae/tensor';

/** Hits and sums of one batch. */
export interface Assignment {
  /** n_k, float32 `[K]`: how many latents chose code k. */
  readonly counts: tf.Tensor1D;
  /** m_k, float32 `[K, D]`: the sum of the latents that chose code k. */
  readonly sums: tf.Tensor2D;
}

/**
 * Hits and sums per code, in one scatter.
 *
 * @param latents - float32 `[N, D]`.
 * @param indices - int32 `[N]`.
 * @param size - K.
 * @param weights - float32 `[N]`, 0 for padding and 1 otherwise. Default all ones.
 */
export function assign(latents: tf.Tensor2D, indices: tf.Tensor1D, size: number, weights?: tf.Tensor1D): Assignment {
  const [count, dim] = latents.shape;
  const column = weights ? weights.reshape([count, 1]) : tf.ones([count, 1]);
  // `where`, not a product: padding may hold NaN, and 0·NaN is NaN.
  const kept = weights ? tf.where(column.greater(0), latents, tf.zerosLike(latents)) : latents;
  // [N, D + 1] -> [K, D + 1]: the extra column of ones counts.
  const totals = ops.scatterAdd(indices, tf.concat([kept, column], 1), size) as tf.Tensor2D;
  return {
    counts: totals.slice([0, dim], [size, 1]).reshape([size]) as tf.Tensor1D,
    sums: totals.slice([0, 0], [size, dim]),
  };
}

/** Hits per code alone: float32 `[K]`. */
export function countHits(indices: tf.Tensor1D, size: number, weights?: tf.Tensor1D): tf.Tensor1D {
  return ops.scatterAdd(indices, weights ?? tf.ones(indices.shape), size) as tf.Tensor1D;
}
