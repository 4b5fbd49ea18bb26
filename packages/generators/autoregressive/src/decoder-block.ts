/**
 * One transformer block: causal attention, then a feed-forward branch, each with norm, dropout and drop-path.
 *
 * Pre-norm: x ← x + f(norm(x)). Post-norm (DiGIT stage 1, the original transformer): x ← norm(x + f(x)); stacks of 16
 * and more post-norm layers need a learning-rate warm-up. Drop-path is stochastic depth (arXiv 1603.09382), per sample.
 */
import {
  Dropout,
  FeedForward,
  type Initializer,
  init,
  LayerNorm,
  Module,
  MultiHeadAttention,
  RMSNorm,
} from '@tesserae/nn';
import { random, tf } from '@tesserae/tensor';
import type { ResolvedConfig } from './config.ts';

/** What a block needs to know about the positions it works on. */
export interface BlockContext {
  /** Dropout and drop-path draw from the ambient key. */
  readonly training: boolean;
  /** Turns queries and keys by their positions. */
  readonly rotate?: (x: tf.Tensor4D) => tf.Tensor4D;
  /** Which keys may be seen, broadcast to `[B, H, Tq, Tk]`; without it, the causal triangle. */
  readonly mask?: tf.Tensor;
  /** Gets this call's keys and values, `[B, kvHeads, T, D]`; returns those to attend to. */
  readonly cache?: (key: tf.Tensor4D, value: tf.Tensor4D) => { key: tf.Tensor4D; value: tf.Tensor4D };
}

/** The profile's norm over the last axis. */
export function createNorm({ dim, normEpsilon, switches }: ResolvedConfig): LayerNorm | RMSNorm {
  return switches.norm === 'rms'
    ? new RMSNorm({ dim, epsilon: normEpsilon })
    : new LayerNorm({ dim, epsilon: normEpsilon });
}

/** The profile's initialiser of projection weights: N(0, 0.02), or fairseq's Xavier uniform. */
export function projectionInit({ profile }: ResolvedConfig): Initializer {
  return profile === 'fairseq' ? init.xavierUniform() : init.normal(0.02);
}

/** Block `layer` of the model. */
export class DecoderBlock extends Module {
  readonly attentionNorm: LayerNorm | RMSNorm;
  readonly attention: MultiHeadAttention;
  readonly feedForwardNorm: LayerNorm | RMSNorm;
  readonly feedForward: FeedForward;
  readonly #placement: 'pre' | 'post';
  readonly #attentionDropout: Dropout;
  readonly #feedForwardDropout: Dropout;
  readonly #dropPath: number;

  constructor(config: ResolvedConfig, layer: number) {
    super();
    const { dim, heads, kvHeads, hidden, switches, dropout, dropPath, layers } = config;
    const weights = projectionInit(config);
    this.attentionNorm = createNorm(config);
    this.attention = new MultiHeadAttention({ dim, heads, kvHeads, bias: switches.bias, init: weights });
    this.feedForwardNorm = createNorm(config);
    this.feedForward = new FeedForward({
      dim,
      hidden,
      kind: switches.feedForward,
      bias: switches.bias,
      init: weights,
    });
    this.#placement = switches.placement;
    this.#attentionDropout = new Dropout({ rate: dropout.residual });
    this.#feedForwardDropout = new Dropout({ rate: dropout.feedForward });
    this.#dropPath = layers > 1 ? (dropPath * layer) / (layers - 1) : dropPath;
  }

  /** `[B, T, dim]` -> `[B, T, dim]`. */
  call(x: tf.Tensor3D, context: BlockContext): tf.Tensor3D {
    const { training, rotate, mask, cache } = context;
    const attend = (input: tf.Tensor3D): tf.Tensor3D =>
      this.attention.call(input, {
        training,
        causal: mask === undefined,
        ...(mask && { mask }),
        ...(rotate && { rotate }),
        ...(cache && { cache }),
      });
    const attended = this.#branch(x, attend, this.attentionNorm, this.#attentionDropout, training);
    const feed = (input: tf.Tensor3D): tf.Tensor3D => this.feedForward.call(input, { training });
    return this.#branch(attended, feed, this.feedForwardNorm, this.#feedForwardDropout, training);
  }

  #branch(
    x: tf.Tensor3D,
    branch: (input: tf.Tensor3D) => tf.Tensor3D,
    norm: LayerNorm | RMSNorm,
    dropout: Dropout,
    training: boolean,
  ): tf.Tensor3D {
    const pre = this.#placement === 'pre';
    const output = dropout.call(branch(pre ? norm.call(x) : x), { training });
    const sum = tf.add(x, training ? dropPath(output, this.#dropPath) : output);
    return pre ? sum : norm.call(sum);
  }
}

/** Drop a whole branch for a sample with probability `rate`, and scale the rest by 1/(1−rate). `[B, T, dim]`. */
function dropPath(x: tf.Tensor3D, rate: number): tf.Tensor3D {
  if (rate === 0) return x;
  const keep = tf.cast(random.bernoulli(random.next(), 1 - rate, [x.shape[0], 1, 1]), 'float32');
  return tf.mul(x, tf.div(keep, 1 - rate)) as tf.Tensor3D;
}
