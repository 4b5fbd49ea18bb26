/** Identity whose gradient is zero: TensorFlow.js has no such op. */
import * as tf from '@tensorflow/tfjs-core';

/** `x` itself to the forward pass, a constant to the backward pass. Any shape; the result is a new tensor. */
export function stopGradient<T extends tf.Tensor>(x: T): T {
  const constant = tf.customGrad((input) => ({
    value: tf.clone(input as tf.Tensor),
    gradFunc: () => [tf.zerosLike(input as tf.Tensor)],
  }));
  // Integers and booleans carry no gradient, and customGrad takes only floats.
  return (x.dtype === 'float32' ? constant(x) : tf.clone(x)) as T;
}
