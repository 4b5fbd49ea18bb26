/**
 * A transformer block: attention, then a feed-forward network, each with a norm, dropout and a residual connection.
 *
 * Pre-norm: x ← x + drop(f(norm x)). Post-norm (the original): x ← norm(x + drop(f x)); stacks of 16 and more need a
 * learning-rate warm-up. Drop-path is stochastic depth (arXiv 1603.09382), one decision a sample and branch.
 */
import { tf } from '@tesserae/tensor';
import { Module } from '../module.ts';
import { Dropout } from './dropout.ts';
import { FeedForward, type FeedForwardConfig } from './feed-forward.ts';
import { LayerNorm } from './layer-norm.ts';
import {
  type AttentionCallOptions,
  MultiHeadAttention,
  type MultiHeadAttentionConfig,
} from './multi-head-attention.ts';
import { RMSNorm } from './rms-norm.ts';

/** Options of {@link TransformerBlock}: attention's, and these. */
export interface TransformerBlockConfig extends Omit<MultiHeadAttentionConfig, 'context'> {
  /** Default `layer`. */
  readonly norm?: 'layer' | 'rms';
  /** ε of the norms. Default 1e-5. */
  readonly epsilon?: number;
  /** Default `pre`. */
  readonly placement?: 'pre' | 'post';
  /** Kind, hidden width, …; width, bias and initialisers are the block's unless given. */
  readonly feedForward?: Omit<FeedForwardConfig, 'dim' | 'dropout'>;
  /** Dropout of both branches. Default 0. */
  readonly dropout?: number;
  /** Probability to drop a branch of a sample. Default 0. */
  readonly dropPath?: number;
}

/**
 * One block.
 *
 * @example
 * new TransformerBlock({ dim: 256, heads: 8, norm: 'rms', bias: false, feedForward: { kind: 'swiglu', multipleOf: 64 } });
 */
export class TransformerBlock extends Module {
  /** Norm of the attention branch. */
  readonly attentionNorm: LayerNorm | RMSNorm;
  /** Attention. */
  readonly attention: MultiHeadAttention;
  /** Norm of the feed-forward branch. */
  readonly feedForwardNorm: LayerNorm | RMSNorm;
  /** Feed-forward network. */
  readonly feedForward: FeedForward;
  readonly #pre: boolean;
  readonly #dropout: Dropout;
  readonly #dropPath: Dropout;

  constructor(config: TransformerBlockConfig) {
    super();
    const { norm = 'layer', epsilon = 1e-5, placement = 'pre', dropout = 0, dropPath = 0, feedForward = {} } = config;
    const { dim, heads, kvHeads, headDim, bias = true, init, outputInit } = config;
    const createNorm = (): LayerNorm | RMSNorm =>
      norm === 'rms' ? new RMSNorm({ dim, epsilon }) : new LayerNorm({ dim, epsilon });
    const shared = { dim, bias, ...(init && { init }), ...(outputInit && { outputInit }) };
    this.attentionNorm = createNorm();
    this.attention = new MultiHeadAttention({
      ...shared,
      heads,
      ...(kvHeads !== undefined && { kvHeads }),
      ...(headDim !== undefined && { headDim }),
    });
    this.feedForwardNorm = createNorm();
    this.feedForward = new FeedForward({ ...shared, ...feedForward });
    this.#pre = placement === 'pre';
    this.#dropout = new Dropout({ rate: dropout });
    this.#dropPath = new Dropout({ rate: dropPath, sharedAxes: [1, 2] });
  }

  /** `[B, T, dim]` -> `[B, T, dim]`. Options are those of the attention. */
  call(x: tf.Tensor, options: AttentionCallOptions = {}): tf.Tensor3D {
    const { training = false } = options;
    const branch = (
      input: tf.Tensor3D,
      norm: LayerNorm | RMSNorm,
      fn: (value: tf.Tensor3D) => tf.Tensor3D,
    ): tf.Tensor3D => {
      const output = this.#dropout.call(fn(this.#pre ? (norm.call(input) as tf.Tensor3D) : input), { training });
      const sum = tf.add(input, this.#dropPath.call(output, { training })) as tf.Tensor3D;
      return this.#pre ? sum : (norm.call(sum) as tf.Tensor3D);
    };
    return tf.tidy(() => {
      const attended = branch(x as tf.Tensor3D, this.attentionNorm, (value) => this.attention.call(value, options));
      return branch(attended, this.feedForwardNorm, (value) => this.feedForward.call(value, { training }));
    });
  }
}
