/**
 * Scaled dot-product attention (Vaswani et al., arXiv:1706.03762), causal, masked, with grouped key and value heads
 * (Ainslie et al., arXiv:2305.13245).
 *
 * The plain form that writes the score matrix. Grouped heads are folded into the time axis, so keys and values are
 * never repeated. Softmax is float32 at every precision.
 */
import * as tf from '@tensorflow/tfjs-core';
import { checkTensor, describe } from './check.ts';

/** Arguments of {@link attention}. */
export interface AttentionOptions {
  /** float32 [B, H, Tq, D]. */
  query: tf.Tensor;
  /** float32 [B, Hkv, Tk, D]; Hkv divides H, and query head h reads key head floor(h Hkv / H). */
  key: tf.Tensor;
  /** float32 [B, Hkv, Tk, Dv]. */
  value: tf.Tensor;
  /**
   * Query i may look at keys 0 … i + Tk - Tq: the last query sees every key, as decoding with a cache needs.
   * Default false.
   */
  causal?: boolean;
  /** Bool (true: may look) or float32 (added to the scores); broadcasts to [B, H, Tq, Tk]. */
  mask?: tf.Tensor;
  /** Default 1 / sqrt(D). */
  scale?: number;
}

/** Adding this to a score gives it weight zero; finite, so that a row without any key gives no NaN. */
const excluded = -1e30;

/** What to add to the scores [B, H, Tq, Tk], if anything. */
function bias(mask: tf.Tensor | undefined, causal: boolean, queries: number, keys: number): tf.Tensor | undefined {
  const forbid = (allowed: tf.Tensor): tf.Tensor => tf.mul(tf.sub(1, tf.cast(allowed, 'float32')), excluded);
  let total: tf.Tensor | undefined;
  // A single query at the end of the keys may see them all.
  if (causal && queries > 1) {
    const lastKey = tf.expandDims(tf.range(keys - queries, keys, 1, 'int32'), 1); // [Tq, 1]
    total = forbid(tf.greaterEqual(lastKey, tf.expandDims(tf.range(0, keys, 1, 'int32'), 0))); // [Tq, Tk]
  }
  if (mask !== undefined) {
    const added = mask.dtype === 'bool' ? forbid(mask) : mask;
    total = total === undefined ? added : tf.add(total, added);
  }
  return total;
}

/**
 * softmax(scale query keyᵀ + mask) value.
 *
 * A query that may look at no key gives the mean of the values.
 *
 * @returns float32 [B, H, Tq, Dv].
 * @throws RangeError if the shapes do not fit, TypeError for a wrong dtype or rank.
 */
export function attention(options: AttentionOptions): tf.Tensor4D {
  const { query, key, value, causal = false, mask } = options;
  for (const [name, x] of Object.entries({ query, key, value })) {
    checkTensor('attention', name, x, { ranks: [4], shape: ' [B, H, T, D]' });
  }
  const [batch, heads, queries, dim] = query.shape as [number, number, number, number];
  const [keyBatch, keyHeads, keys, keyDim] = key.shape as [number, number, number, number];
  const [valueBatch, valueHeads, valueKeys, valueDim] = value.shape as [number, number, number, number];
  const fits =
    keyBatch === batch &&
    valueBatch === batch &&
    keyHeads === valueHeads &&
    heads % keyHeads === 0 &&
    keyDim === dim &&
    valueKeys === keys &&
    (!causal || keys >= queries);
  if (!fits) {
    throw new RangeError(
      `attention: 'query' [B, H, Tq, D], 'key' [B, Hkv, Tk, D] and 'value' [B, Hkv, Tk, Dv] must share B, D and Tk, with Hkv ` +
        `dividing H${causal ? ' and, for causal, Tk at least Tq' : ''}, but got query ${describe(query)}, key ${describe(key)}, value ${describe(value)}.`,
    );
  }
  if (mask !== undefined) checkMask(mask, [batch, heads, queries, keys]);
  const { scale = 1 / Math.sqrt(dim) } = options;
  return tf.tidy(() => {
    const group = heads / keyHeads;
    // [B, H, Tq, D] -> [B, Hkv, G*Tq, D]: heads of a group are neighbours, so this is a view.
    const folded = tf.reshape(tf.mul(query, scale), [batch, keyHeads, group * queries, dim]);
    const scores = tf.reshape(tf.matMul(folded, key, false, true), [batch, heads, queries, keys]);
    const added = bias(mask, causal, queries, keys);
    const weights = tf.softmax(added === undefined ? scores : tf.add(scores, added));
    const mixed = tf.matMul(tf.reshape(weights, [batch, keyHeads, group * queries, keys]), value);
    return tf.reshape(mixed, [batch, heads, queries, valueDim]) as tf.Tensor4D;
  });
}

function checkMask(mask: tf.Tensor, scores: readonly number[]): void {
  const padded = [...new Array<number>(Math.max(0, 4 - mask.rank)).fill(1), ...mask.shape];
  const broadcasts = padded.length === 4 && padded.every((size, i) => size === 1 || size === scores[i]);
  if (broadcasts && (mask.dtype === 'bool' || mask.dtype === 'float32')) return;
  throw new RangeError(
    `attention: 'mask' must be bool or float32 and broadcast to the scores [B, H, Tq, Tk] = [${scores.join(', ')}], but got ${describe(mask)}.`,
  );
}
