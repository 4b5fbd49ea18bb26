/**
 * `cumsum` and `cumprod` for axes counted from the end: TensorFlow.js 4.22 passes a negative axis on to kernels that
 * permute by it as it is, and the result is silently wrong. These take the place of the originals in `tf`.
 */
import * as tf from '@tensorflow/tfjs-core';
import { normalAxis } from './ops/check.ts';

function rankOf(x: tf.Tensor | tf.TensorLike): number {
  if (x instanceof tf.Tensor) return x.rank;
  if (Array.isArray(x)) return 1 + (x.length === 0 ? 0 : rankOf(x[0] as tf.TensorLike));
  return ArrayBuffer.isView(x) ? 1 : 0;
}

/**
 * Sums of the elements so far along an axis.
 *
 * @param axis default 0; negative counts from the end.
 * @param exclusive leave the element itself out; default false.
 * @param reverse from the end; default false.
 */
export function cumsum<T extends tf.Tensor>(
  x: tf.Tensor | tf.TensorLike,
  axis: number = 0,
  exclusive: boolean = false,
  reverse: boolean = false,
): T {
  return tf.cumsum<T>(x, normalAxis('cumsum', axis, rankOf(x)), exclusive, reverse);
}

/** Products of the elements so far along an axis; arguments as for {@link cumsum}. */
export function cumprod<T extends tf.Tensor>(
  x: tf.Tensor | tf.TensorLike,
  axis: number = 0,
  exclusive: boolean = false,
  reverse: boolean = false,
): T {
  return tf.cumprod<T>(x, normalAxis('cumprod', axis, rankOf(x)), exclusive, reverse);
}
