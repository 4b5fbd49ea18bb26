/** Memory: no tensor may outlive the call that made it. */
import * as tf from '@tensorflow/tfjs-core';

/**
 * Runs `fn` and checks that as many tensors exist afterwards as before.
 *
 * @param allowed tensors that the function may leave behind on purpose, such as its result; default 0.
 * @throws Error with both counts.
 */
export function expectNoLeak<R>(fn: () => R, allowed: number = 0): R {
  const before = tf.memory().numTensors;
  const check = (): void => {
    const left = tf.memory().numTensors - before;
    if (left !== allowed) {
      throw new Error(
        `expectNoLeak: ${left} tensors were left behind, expected ${allowed} (${before} before, ${before + left} after).`,
      );
    }
  };
  const result = fn();
  if (result instanceof Promise) {
    return result.then((value: unknown) => {
      check();
      return value;
    }) as R;
  }
  check();
  return result;
}
