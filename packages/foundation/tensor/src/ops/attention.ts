/**
 * Scaled dot-product attention (Vaswani et al., arXiv:1706.03762), causal, masked, with grouped key and value heads
 * (Ainslie et al., arXiv:2305.13245).
 *
 * Engines may register the kernels `FlashAttention` and `FlashAttentionGrad` (Dao et al., arXiv:2205.14135), which never
 * write the score matrix: { query [B, H, T, D], key [B, G, S, D], value [B, G, S, Dv], mask? float32, broadcasts to
 * [B, H, T, S] } with { causal, scale } -> [out, logSumExp [B, H, T]], and the same with { out, logSumExp, dOut } ->
 * [dQuery, dKey, dValue]. Without them, for gradients of gradients and for the gradient of a mask the composed form
 * is used, which writes the scores. Grouped heads are folded into the time axis, so keys and values are never repeated.
 * Softmax is float32 at every precision.
 */
import * as tf from '@tensorflow/tfjs-core';
import { checkTensor, describe } from './check.ts';
import { gradientsWithin, hasKernel, runFused, runKernel } from './fused-kernel.ts';
import type { FusedOp } from './fused-kernel.ts';

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

const forbid = (allowed: tf.Tensor): tf.Tensor => tf.mul(tf.sub(1, tf.cast(allowed, 'float32')), excluded);

/** What to add to the scores [B, H, Tq, Tk], if anything. */
function bias(mask: tf.Tensor | undefined, causal: boolean, queries: number, keys: number): tf.Tensor | undefined {
  let total: tf.Tensor | undefined;
  // A single query at the end of the keys may see them all.
  if (causal && queries > 1) {
    const lastKey = tf.expandDims(tf.range(keys - queries, keys, 1, 'int32'), 1); // [Tq, 1]
    total = forbid(tf.greaterEqual(lastKey, tf.expandDims(tf.range(0, keys, 1, 'int32'), 0))); // [Tq, Tk]
  }
  return mask === undefined ? total : total === undefined ? mask : tf.add(total, mask);
}

/** Of plain ops; the mask is float32. */
function composed(
  query: tf.Tensor,
  key: tf.Tensor,
  value: tf.Tensor,
  mask: tf.Tensor | undefined,
  causal: boolean,
  scale: number,
): tf.Tensor {
  const [batch, heads, queries, dim] = query.shape as [number, number, number, number];
  const [, keyHeads, keys, valueDim] = value.shape as [number, number, number, number];
  const group = heads / keyHeads;
  // [B, H, Tq, D] -> [B, Hkv, G*Tq, D]: heads of a group are neighbours, so this is a view.
  const folded = tf.reshape(tf.mul(query, scale), [batch, keyHeads, group * queries, dim]);
  const scores = tf.reshape(tf.matMul(folded, key, false, true), [batch, heads, queries, keys]);
  const added = bias(mask, causal, queries, keys);
  const weights = tf.softmax(added === undefined ? scores : tf.add(scores, added));
  const mixed = tf.matMul(tf.reshape(weights, [batch, keyHeads, group * queries, keys]), value);
  return tf.reshape(mixed, [batch, heads, queries, valueDim]);
}

/** By the engine's kernels. `inputs` of its functions: query, key, value, and the mask if a gradient may flow to it. */
function flash(causal: boolean, scale: number): FusedOp {
  type Three = [tf.Tensor, tf.Tensor, tf.Tensor];
  return {
    forward: (inputs, constants) => {
      const [query, key, value, mask = constants[0]] = inputs as [...Three, tf.Tensor?];
      const [out, logSumExp] = runKernel('FlashAttention', { query, key, value, mask }, { causal, scale });
      return { value: out as tf.Tensor, extra: [logSumExp as tf.Tensor] };
    },
    backward: (dOut, inputs, constants, out, [logSumExp]) => {
      const [query, key, value, mask = constants[0]] = inputs as [...Three, tf.Tensor?];
      // Log-sum-exps of rows without any key are too coarse to tell weights from: such rows pass no gradient.
      const normaliser =
        mask === undefined
          ? logSumExp
          : tf.where(tf.greater(logSumExp as tf.Tensor, excluded / 2), logSumExp as tf.Tensor, tf.scalar(Infinity));
      const gradients = runKernel(
        'FlashAttentionGrad',
        { query, key, value, mask, out, logSumExp: normaliser, dOut },
        { causal, scale },
      );
      const [given] = inputs.slice(3);
      if (given === undefined) return gradients;
      // Engines with the kernel compute only what is used, so this costs nothing unless the mask wants its gradient.
      const ofMask = gradientsWithin((m) => composed(query, key, value, m, causal, scale), [given], dOut);
      return [...gradients, ...ofMask];
    },
    composed: (inputs, constants) => {
      const [query, key, value, mask = constants[0]] = inputs as [...Three, tf.Tensor?];
      return composed(query, key, value, mask, causal, scale);
    },
  };
}

/**
 * softmax(scale query keyᵀ + mask) value.
 *
 * A query that may look at no key gives the mean of the values; what gradient it passes depends on the engine.
 *
 * @returns float32 [B, H, Tq, Dv].
 * @throws RangeError if the shapes do not fit or `scale` is not finite, TypeError for a wrong dtype or rank.
 */
export function attention(options: AttentionOptions): tf.Tensor4D {
  const { query, key, value, causal = false, mask } = options;
  for (const [name, x] of Object.entries({ query, key, value })) {
    checkTensor('attention', name, x, { ranks: [4], shape: ' [B, H, T, D]' });
  }
  const [batch, heads, queries, dim] = query.shape as [number, number, number, number];
  const [keyBatch, keyHeads, keys, keyDim] = key.shape as [number, number, number, number];
  const [valueBatch, valueHeads, valueKeys] = value.shape as [number, number, number, number];
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
  const { scale = dim === 0 ? 1 : 1 / Math.sqrt(dim) } = options;
  if (!Number.isFinite(scale)) {
    throw new RangeError(
      `attention: 'scale' must be a finite number, but got ${String(scale)}. Leave it out for 1 / sqrt(D).`,
    );
  }
  return tf.tidy(() => {
    const allowed = mask?.dtype === 'bool' ? [forbid(mask)] : [];
    const added = mask?.dtype === 'float32' ? [mask] : [];
    return (
      hasKernel('FlashAttention', [query, key, value])
        ? runFused(flash(causal, scale), [query, key, value, ...added], allowed)
        : composed(query, key, value, allowed[0] ?? added[0], causal, scale)
    ) as tf.Tensor4D;
  });
}

function checkMask(mask: unknown, scores: readonly number[]): void {
  if (mask instanceof tf.Tensor) checkTensor('attention', 'mask', mask, { dtype: mask.dtype });
  const { rank, shape, dtype } = mask instanceof tf.Tensor ? (mask as tf.Tensor) : { rank: 5, shape: [], dtype: '' };
  const padded = [...new Array<number>(Math.max(0, 4 - rank)).fill(1), ...shape];
  const broadcasts = rank <= 4 && padded.every((size, i) => size === 1 || size === scores[i]);
  if (broadcasts && (dtype === 'bool' || dtype === 'float32')) return;
  throw new RangeError(
    `attention: 'mask' must be bool or float32 and broadcast to the scores [B, H, Tq, Tk] = [${scores.join(', ')}], but got ${describe(mask)}.`,
  );
}
