/**
 * A codebook that is a parameter: the optimizer moves each code towards the latents that chose it
 * (van den Oord et al. 2017, equation 3, middle term; VQGAN; LlamaGen with cosine codes).
 *
 * The gradient of a batch reaches only the codes that were chosen. Revival, off by default, needs hit counts; they
 * are moving averages as in the EMA policy, and the optimizer's moments of a revived code stay as they were.
 */
import { parameter } from '@tesserae/nn';
import { tf } from '@tesserae/tensor';
import { codebookLoss } from '../regularisers/commitment.ts';
import { orthogonalityLoss } from '../regularisers/orthogonality.ts';
import { countHits } from './assignment.ts';
import { Codebook } from './codebook.ts';
import type { CodebookConfig, Observation } from './codebook.ts';
import { initialCodes } from './initial-codes.ts';
import type { LearnedPolicy, Revival } from './policy.ts';
import { revive } from './revival.ts';
import { state } from './state.ts';

/** Codes learn by gradient. */
export class LearnedCodebook extends Codebook {
  /** E, a trainable parameter, `[K, D]`. In cosine mode only its directions matter. */
  override readonly vectors: tf.Variable;
  override readonly initted: tf.Variable;
  /** N, expected hits per batch, float32 `[K]`. */
  readonly clusterSize: tf.Variable;
  /** int32 scalar: steps observed so far. */
  readonly updates: tf.Variable;

  readonly #weight: number;
  readonly #orthogonality: number;
  readonly #decay: number;
  readonly #revival: Revival | false;

  constructor(config: CodebookConfig, policy: LearnedPolicy) {
    super(config);
    this.#weight = policy.weight ?? 1;
    this.#orthogonality = policy.orthogonality ?? 0;
    this.#decay = policy.decay ?? 0.99;
    this.#revival = policy.revival ?? false;
    this.vectors = parameter([config.size, config.dim], () => initialCodes(config));
    this.clusterSize = state(() => tf.ones([config.size]));
    this.updates = state(() => tf.scalar(0, 'int32'));
    this.initted = state(() => tf.scalar(0, 'int32'));
  }

  override effective(): tf.Tensor2D {
    return this.onSphere(this.vectors as tf.Tensor as tf.Tensor2D);
  }

  override losses(
    latents: tf.Tensor2D,
    selected: tf.Tensor2D,
    effective: tf.Tensor2D,
    weights?: tf.Tensor1D,
  ): Record<string, tf.Scalar> {
    const codebook = codebookLoss(latents, selected, weights).mul(this.#weight) as tf.Scalar;
    if (this.#orthogonality === 0) return { codebook };
    return { codebook, orthogonality: orthogonalityLoss(effective).mul(this.#orthogonality) as tf.Scalar };
  }

  override observe({ latents, indices, weights }: Observation): Record<string, tf.Scalar> {
    if (!this.#revival) return {};
    const counts = countHits(indices, this.size, weights);
    const decay = tf.where(counts.sum().greater(0), tf.scalar(this.#decay), tf.scalar(1));
    const sizes = this.clusterSize.mul(decay).add(counts.mul(tf.scalar(1).sub(decay))) as tf.Tensor1D;
    const updates = this.updates.add(tf.scalar(1, 'int32'));
    const { dead, vectors, resetSize } = revive(this.#revival, sizes, latents, weights);
    const warmup = Math.ceil(1 / (1 - this.#decay));
    const settled = this.initted.greater(0).logicalOr(updates.greaterEqual(tf.scalar(warmup, 'int32')));
    const replace = dead.logicalAnd(settled);
    this.updates.assign(updates);
    this.clusterSize.assign(tf.where<tf.Tensor>(replace, resetSize, sizes));
    this.vectors.assign(tf.where(replace.expandDims(1), vectors, this.vectors as tf.Tensor));
    return { revived: replace.toFloat().sum() };
  }

  protected override place(means: tf.Tensor2D, counts: tf.Tensor1D): void {
    this.vectors.assign(this.unlessPlaced(this.vectors, means));
    this.clusterSize.assign(this.unlessPlaced(this.clusterSize, counts));
  }
}
