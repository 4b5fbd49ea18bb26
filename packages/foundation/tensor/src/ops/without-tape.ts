/** Running ops that the gradient must not see: not even as ops without a gradient, which would be an error. */
import * as tf from '@tensorflow/tfjs-core';

/**
 * Runs `fn` as if inside a kernel, so that nothing is recorded for the backward pass, and disposes what it leaves.
 *
 * Cheaper than a zero gradient: nothing behind the result is differentiated at all.
 */
export function withoutTape<T extends tf.TensorContainer>(fn: () => T): T {
  const { state } = tf.engine();
  return tf.tidy(() => {
    state.kernelDepth++;
    try {
      return fn();
    } finally {
      state.kernelDepth--;
    }
  });
}
