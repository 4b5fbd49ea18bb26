/**
 * Multi-head attention (Vaswani et al. 2017, arXiv 1706.03762): self or cross, with grouped key and value heads (arXiv
 * 2305.13245), rotary positions and a cache of keys and values.
 *
 * One matrix product makes queries, keys and values. Attention weights have no dropout: the models built on this use 0.
 */
import { ops, tf } from '@tesserae/tensor';
import { checkLastAxis, checkWhole, shapeText } from '../check.ts';
import type { Initializer } from '../initializers.ts';
import type { CallOptions } from '../layer.ts';
import { Module } from '../module.ts';
import type { CacheHook } from './kv-cache.ts';
import { Linear } from './linear.ts';
import { applyRotary, type RotaryTable } from './rotary.ts';

/** Options of {@link MultiHeadAttention}. */
export interface MultiHeadAttentionConfig {
  /** Width of input and output. */
  readonly dim: number;
  /** Number of query heads. */
  readonly heads: number;
  /** Number of key and value heads; must divide `heads`. Default `heads`. */
  readonly kvHeads?: number;
  /** Channels of a head. Default dim / heads, which then must be whole. */
  readonly headDim?: number;
  /** Width of the context, for cross-attention: keys and values come from it. Default: self-attention. */
  readonly context?: number;
  /** Biases of all projections. Default true. */
  readonly bias?: boolean;
  /** Of the weights; biases are zeros then. Default as `Linear`'s. */
  readonly init?: Initializer;
  /** Of the output projection's weight. Default `init`. */
  readonly outputInit?: Initializer;
}

/** Options of `MultiHeadAttention.call`. */
export interface AttentionCallOptions extends CallOptions {
  /** `[B, Tk, context]`, for cross-attention. */
  readonly context?: tf.Tensor | undefined;
  /** Each position sees itself and those before. Default false, or true with a `cache` and no `mask`. */
  readonly causal?: boolean | undefined;
  /** Bool (true: may look) or float32 (added to scores), broadcast to `[B, H, Tq, Tk]`. */
  readonly mask?: tf.Tensor | undefined;
  /** Tables of this call's positions, applied to queries and keys. */
  readonly rotary?: RotaryTable | undefined;
  /** Anything else to do to queries `[B, H, T, D]` and keys `[B, Hkv, T, D]`; same shape out. */
  readonly rotate?: ((x: tf.Tensor4D, which: 'query' | 'key') => tf.Tensor4D) | undefined;
  /** Takes this call's keys and values, returns those to attend to: `kvCache.at(position)` or your own. */
  readonly cache?: CacheHook | undefined;
}

/**
 * softmax(q kᵀ / √headDim + mask) v, projected.
 *
 * @example
 * const attention = random.withKey(random.key(0), () => new MultiHeadAttention({ dim: 64, heads: 4, kvHeads: 2 }));
 * attention.call(tf.zeros([2, 10, 64]), { causal: true }); // [2, 10, 64]
 */
export class MultiHeadAttention extends Module {
  /** Self-attention: `[dim, (heads + 2 kvHeads) headDim]`, queries first, then keys, then values. */
  readonly qkv: Linear | undefined;
  /** Cross-attention: `[dim, heads headDim]`. */
  readonly query: Linear | undefined;
  /** Cross-attention: `[context, 2 kvHeads headDim]`, keys first. */
  readonly keyValue: Linear | undefined;
  /** `[heads headDim, dim]`. */
  readonly output: Linear;
  readonly #dim: number;
  readonly #heads: number;
  readonly #kvHeads: number;
  readonly #headDim: number;
  readonly #context: number | undefined;

  /** @throws RangeError where head counts do not divide. */
  constructor(config: MultiHeadAttentionConfig) {
    super();
    const { dim, heads, kvHeads = heads, headDim = dim / heads, context, bias = true, init } = config;
    checkWhole('MultiHeadAttention', 'dim', dim);
    checkWhole('MultiHeadAttention', 'heads', heads);
    checkWhole('MultiHeadAttention', 'kvHeads', kvHeads);
    if (!Number.isInteger(headDim) || headDim < 1) {
      throw new RangeError(
        `MultiHeadAttention: 'heads' must divide dim (${dim}) where no 'headDim' is given, got ${heads}.`,
      );
    }
    if (heads % kvHeads !== 0) {
      throw new RangeError(`MultiHeadAttention: 'kvHeads' must divide heads (${heads}), got ${kvHeads}.`);
    }
    this.#dim = dim;
    this.#heads = heads;
    this.#kvHeads = kvHeads;
    this.#headDim = headDim;
    this.#context = context;
    const shared = { bias, ...(init && { init }) };
    if (context === undefined) {
      this.qkv = new Linear({ in: dim, out: (heads + 2 * kvHeads) * headDim, ...shared });
    } else {
      this.query = new Linear({ in: dim, out: heads * headDim, ...shared });
      this.keyValue = new Linear({ in: context, out: 2 * kvHeads * headDim, ...shared });
    }
    const outputInit = config.outputInit ?? init;
    this.output = new Linear({ in: heads * headDim, out: dim, bias, ...(outputInit && { init: outputInit }) });
  }

  /**
   * `[B, T, dim]` -> `[B, T, dim]`.
   *
   * @throws RangeError on shapes that do not fit, and where a context is missing or not expected.
   */
  call(x: tf.Tensor, options: AttentionCallOptions = {}): tf.Tensor3D {
    const { context, mask, rotary, rotate, cache } = options;
    if (x.rank !== 3) {
      throw new RangeError(
        `MultiHeadAttention.call: 'x' must have shape [batch, time, ${this.#dim}], got ${shapeText(x.shape)}.`,
      );
    }
    checkLastAxis('MultiHeadAttention.call', x, this.#dim, `[batch, time, ${this.#dim}]`);
    return tf.tidy(() => {
      const [rawQuery, rawKey, value] = this.#project(x as tf.Tensor3D, context);
      const turn = (part: tf.Tensor4D, which: 'query' | 'key'): tf.Tensor4D => {
        const turned = rotary ? applyRotary(part, rotary) : part;
        return rotate ? rotate(turned, which) : turned;
      };
      const query = turn(rawQuery, 'query');
      const key = turn(rawKey, 'key');
      const seen = cache ? cache(key, value) : { key, value, mask: undefined };
      const allowed = mask ?? seen.mask;
      const causal = options.causal ?? (cache !== undefined && allowed === undefined);
      const attended = ops.attention({
        query,
        key: seen.key,
        value: seen.value,
        causal,
        ...(allowed && { mask: allowed }),
      }); // [B, H, T, D]
      const [batch, time] = x.shape as [number, number];
      const merged = tf.reshape(tf.transpose(attended, [0, 2, 1, 3]), [batch, time, this.#heads * this.#headDim]);
      return this.output.call(merged as tf.Tensor3D);
    });
  }

  /** Queries `[B, H, T, D]`, keys and values `[B, Hkv, Tk, D]`. */
  #project(x: tf.Tensor3D, context: tf.Tensor | undefined): [tf.Tensor4D, tf.Tensor4D, tf.Tensor4D] {
    const widths = [this.#heads, this.#kvHeads, this.#kvHeads].map((heads) => heads * this.#headDim);
    if ((this.#context === undefined) !== (context === undefined)) {
      const [wanted, got] = this.#context === undefined ? ['no', 'one'] : ['a', 'none'];
      throw new RangeError(
        `MultiHeadAttention.call: expected ${wanted} 'context', got ${got}. It is set by 'context' of the config.`,
      );
    }
    let parts: tf.Tensor3D[];
    if (context === undefined) {
      parts = tf.split(this.qkv!.call(x), widths, 2);
    } else {
      checkLastAxis('MultiHeadAttention.call (context)', context, this.#context as number);
      parts = [this.query!.call(x), ...tf.split<tf.Tensor3D>(this.keyValue!.call(context as tf.Tensor3D), 2, 2)];
    }
    // [B, T, H D] -> [B, T, H, D] -> [B, H, T, D]
    return parts.map((part) => {
      const [batch, time, width] = part.shape;
      const heads = tf.reshape(part, [batch, time, width / this.#headDim, this.#headDim]);
      return tf.transpose(heads, [0, 2, 1, 3]) as tf.Tensor4D;
    }) as [tf.Tensor4D, tf.Tensor4D, tf.Tensor4D];
  }
}
