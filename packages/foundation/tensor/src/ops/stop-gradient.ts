/** Identity that the backward pass does not see: TensorFlow.js has no such op. */
import * as tf from '@tensorflow/tfjs-core';
import { withoutTape } from './without-tape.ts';

/**
 * `x` itself to the forward pass, a constant to the backward pass.
 *
 * Nothing behind it is differentiated, so it costs nothing. `valueAndGrad` gives zeros to variables that a loss reaches
 * only through it; `tf.grad` throws if that is true of the whole loss.
 *
 * @param x any shape, any dtype. The result is a new tensor that shares its data.
 */
export function stopGradient<T extends tf.Tensor>(x: T): T {
  return withoutTape(() => tf.clone(x));
}
