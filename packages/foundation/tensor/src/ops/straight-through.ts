/**
 * The straight-through estimator (Bengio et al., "Estimating or Propagating Gradients Through Stochastic Neurons",
 * arXiv:1308.3432): the forward value of one tensor with the gradient of another.
 */
import * as tf from '@tensorflow/tfjs-core';
import { checkSameShape } from './check.ts';

/**
 * Returns exactly `q`; its gradient goes to `x` unchanged, and none to `q`.
 *
 * The usual `x + stopGradient(q - x)` returns q only up to rounding, so that decoding and looking up would differ.
 *
 * @param x float32, any shape.
 * @param q float32, the shape of `x`.
 * @throws RangeError if the shapes differ.
 */
export function straightThrough<T extends tf.Tensor>(x: T, q: tf.Tensor): T {
  checkSameShape('straightThrough', 'x', x, 'q', q);
  const estimator = tf.customGrad(() => ({ value: tf.clone(q), gradFunc: (dy: tf.Tensor) => [tf.clone(dy)] }));
  return estimator(x) as T;
}
