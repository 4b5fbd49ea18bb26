/**
 * The straight-through estimator (Bengio et al., "Estimating or Propagating Gradients Through Stochastic Neurons",
 * arXiv:1308.3432): the forward value of one tensor with the gradient of another.
 */
import * as tf from '@tensorflow/tfjs-core';

/**
 * Returns exactly `q`; its gradient goes to `x` unchanged, and none to `q`.
 *
 * The usual `x + stopGradient(q - x)` returns q up to rounding only, so that decoding and looking up would differ.
 *
 * @param x float32, any shape. @param q same shape.
 * @throws RangeError if the shapes differ.
 */
export function straightThrough<T extends tf.Tensor>(x: T, q: tf.Tensor): T {
  if (!tf.util.arraysEqual(x.shape, q.shape)) {
    throw new RangeError(
      `straightThrough: 'x' and 'q' must have one shape, but got x [${x.shape.join(', ')}], q [${q.shape.join(', ')}].`,
    );
  }
  const estimator = tf.customGrad((input, quantized) => ({
    value: tf.clone(quantized as tf.Tensor),
    gradFunc: (dy: tf.Tensor) => [tf.clone(dy), tf.zerosLike(dy)],
  }));
  return estimator(x, q) as T;
}
