/** Draws the next token of each sequence from its logits: temperature, then top-k, then top-p, then one draw. */
import { random, tf } from '@tesserae/tensor';
import { filterLogits, type FilterOptions } from './filter-logits.ts';

/** How a token is drawn from logits. */
export interface DrawOptions extends FilterOptions {
  /** Logits are divided by it. Default 1. Below 1e-5, 0 included, the most probable token is taken. */
  readonly temperature?: number;
}

/**
 * One token per row.
 *
 * Row b of the result depends on row b of the logits, on the key and on b, not on how many rows follow.
 *
 * @param logits - float32 `[B, V]`.
 * @param key - Random key of this step. Not used when `temperature` is below 1e-5.
 * @returns int32 `[B]`.
 * @throws RangeError when the temperature is negative or not a number.
 */
export function nextToken(logits: tf.Tensor2D, options: DrawOptions, key: tf.Tensor1D): tf.Tensor1D {
  const { temperature = 1, topK = 0, topP = 1 } = options;
  if (!(temperature >= 0)) throw new RangeError(`nextToken: temperature must be at least 0, got ${temperature}`);
  return tf.tidy(() => {
    if (temperature < 1e-5) return tf.argMax(logits, -1) as tf.Tensor1D;
    const scaled = temperature === 1 ? logits : tf.div(logits, temperature);
    return random.categorical(key, filterLogits(scaled, { topK, topP })) as tf.Tensor1D;
  });
}
