/**
 * Keys: the seeds of counter-based random numbers, as int32 tensors of shape [2].
 *
 * The same key always gives the same numbers, on every engine. So a key is used once; more keys come from `split` and
 * `foldIn`, as in JAX. Keys are tensors so that a compiled program can take them as inputs and derive others inside.
 */
import * as tf from '@tensorflow/tfjs-core';
import { foldStream, splitStream } from './philox.ts';

/** A key: int32 of shape [2]. */
export type Key = tf.Tensor1D;

/**
 * Runs a random kernel on the engine in use.
 *
 * @throws Error if the engine does not have it.
 */
export function runRandomKernel(kernelName: string, inputs: tf.NamedTensorMap, attrs: tf.NamedAttrMap): tf.Tensor {
  const engine = tf.engine();
  const backend = tf.getBackend();
  if (tf.getKernel(kernelName, backend) == null) {
    throw new Error(
      `random: engine '${backend || '(none)'}' has no kernel '${kernelName}'. Start the engine with useEngine(), or, for ` +
        `a backend of your own whose data can be read synchronously, call registerRandomKernels('${backend}').`,
    );
  }
  return engine.runKernel(kernelName, inputs as {}, attrs) as tf.Tensor;
}

/** @throws TypeError unless `value` is an int32 tensor of shape [2]. */
export function checkKey(value: Key, operation: string): void {
  if (!(value instanceof tf.Tensor) || value.dtype !== 'int32' || value.shape.length !== 1 || value.shape[0] !== 2) {
    const got =
      value instanceof tf.Tensor
        ? `${(value as tf.Tensor).dtype} [${(value as tf.Tensor).shape.join(', ')}]`
        : typeof value;
    throw new TypeError(
      `random.${operation}: 'key' must be a key, int32 [2], but got ${got}. Make one with random.key(seed).`,
    );
  }
}

/**
 * The key of a seed: its low and its high 32 bits.
 *
 * @param seed a safe integer, negative or not.
 * @throws RangeError for other numbers.
 */
export function key(seed: number): Key {
  if (!Number.isSafeInteger(seed)) {
    throw new RangeError(`random.key: 'seed' must be an integer of at most 53 bits, but got ${seed}.`);
  }
  return tf.tensor1d([seed | 0, Math.floor(seed / 2 ** 32) | 0], 'int32');
}

/** `n` new keys, unrelated to `foldIn`'s: key `i` is words 0 and 1 of block `i` of the split stream. */
export function split(from: Key, n: number = 2): Key[] {
  checkKey(from, 'split');
  if (!Number.isInteger(n) || n < 1)
    throw new RangeError(`random.split: 'n' must be a positive integer, but got ${n}.`);
  return tf.tidy(() => {
    const words = runRandomKernel('PhiloxBits', { key: from }, { shape: [n, 4], stream: splitStream });
    return Array.from({ length: n }, (_, i) => tf.reshape(tf.slice(words, [i, 0], [1, 2]), [2]) as Key);
  });
}

/**
 * A new key made of a key and a number, such as a step, an epoch or the index of a layer.
 *
 * @param data an int32, or an int32 scalar tensor where it must be an input of a compiled program.
 */
export function foldIn(from: Key, data: number | tf.Scalar): Key {
  checkKey(from, 'foldIn');
  return tf.tidy(() => {
    if (typeof data === 'number') {
      if (!Number.isInteger(data)) throw new RangeError(`random.foldIn: 'data' must be an integer, but got ${data}.`);
      return runRandomKernel(
        'PhiloxFold',
        { key: from, data: tf.scalar(data | 0, 'int32') },
        { stream: foldStream },
      ) as Key;
    }
    if (data.dtype !== 'int32' || data.size !== 1) {
      throw new TypeError(
        `random.foldIn: 'data' must be an int32 scalar, but got ${data.dtype} [${data.shape.join(', ')}]. Cast it with tf.cast(data, 'int32').`,
      );
    }
    return runRandomKernel('PhiloxFold', { key: from, data: tf.reshape(data, []) }, { stream: foldStream }) as Key;
  });
}
