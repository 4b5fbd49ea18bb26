/**
 * Top-k and top-p (nucleus, Holtzman et al., arXiv 1904.09751) filtering of logits, with the reference code's rules.
 *
 * Both work by a threshold, so entries that tie with the last one kept are kept too. For top-k that is the reference's
 * rule; for top-p the reference breaks ties by sort order, which differs between devices. Here the result does not
 * depend on the device's sort.
 */
import { tf } from '@tesserae/tensor';

/** What `filterLogits` removes. */
export interface FilterOptions {
  /** Keep the k largest logits and their ties. 0, the default, or anything above the vocabulary keeps all. */
  readonly topK?: number;
  /**
   * Keep the most probable entries up to and including the first whose cumulative probability exceeds p; the best
   * always stays. 1, the default, keeps all. Applied after top-k, to the renormalised rest.
   */
  readonly topP?: number;
}

/**
 * Replace the logits that sampling must not choose by −∞.
 *
 * Cost: one top-k for `topK`, one full sort of the last axis for `topP`. Reads no values.
 *
 * @param logits - float32 `[…, V]`.
 * @returns The same shape.
 * @throws RangeError when `topK` is not a non-negative integer or `topP` is outside [0, 1].
 */
export function filterLogits<T extends tf.Tensor>(logits: T, { topK = 0, topP = 1 }: FilterOptions = {}): T {
  if (!Number.isSafeInteger(topK) || topK < 0) {
    throw new RangeError(`filterLogits: topK must be an integer of at least 0 (0 = off), got ${topK}`);
  }
  if (!(topP >= 0 && topP <= 1)) throw new RangeError(`filterLogits: topP must be in [0, 1] (1 = off), got ${topP}`);
  const vocabulary = logits.shape.at(-1) ?? 1;
  return tf.tidy(() => {
    let kept: tf.Tensor = logits;
    if (topK > 0 && topK < vocabulary) kept = aboveThreshold(kept, kthLargest(kept, topK));
    if (topP < 1) kept = aboveThreshold(kept, nucleusThreshold(kept, topP));
    return kept === logits ? tf.clone(logits) : kept;
  }) as T;
}

/** −∞ wherever `logits < threshold`. */
function aboveThreshold(logits: tf.Tensor, threshold: tf.Tensor): tf.Tensor {
  return tf.where(tf.greaterEqual(logits, threshold), logits, tf.fill(logits.shape, -Infinity));
}

/** `[…, V]` -> `[…, 1]`: the k-th largest value of the last axis. */
function kthLargest(logits: tf.Tensor, k: number): tf.Tensor {
  const values = tf.topk(logits, k, true).values; // […, k], descending
  const begin = values.shape.map(() => 0);
  begin[begin.length - 1] = k - 1;
  return tf.slice(values, begin, [...values.shape.slice(0, -1), 1]);
}

/** `[…, V]` -> `[…, 1]`: the smallest logit of the nucleus. */
function nucleusThreshold(logits: tf.Tensor, p: number): tf.Tensor {
  const sorted = tf.topk(logits, logits.shape.at(-1) ?? 1, true).values; // […, V], descending
  // The probability in front of an entry: 0 for the best, which therefore stays whatever p is.
  // (cumsum takes no negative axis: TensorFlow.js would permute by it.)
  const before = tf.cumsum(tf.softmax(sorted), sorted.rank - 1, true);
  const inside = tf.where(tf.lessEqual(before, p), sorted, tf.fill(sorted.shape, Infinity));
  return tf.min(inside, -1, true);
}
