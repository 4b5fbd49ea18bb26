/**
 * A codebook of moving averages: one step of online k-means per batch (van den Oord et al. 2017, appendix A.1).
 *
 *   N ← γN + (1−γ)n     M ← γM + (1−γ)m     Ñ = (N + ε)/(ΣN + Kε) · ΣN     E = M/Ñ
 *
 * with n, m the batch's hits and sums per code. N starts at 1 and M at E, as in vector-quantize-pytorch; after k-means
 * N is the cluster sizes. Dead codes are revived after the update (see revival.ts), from the first step if k-means
 * placed the codes, otherwise after 1/(1−γ) steps: before that N says more about its start value than about use.
 */
import { ops, tf } from '@tesserae/tensor';
import { assign } from './assignment.ts';
import { Codebook } from './codebook.ts';
import type { CodebookConfig, Observation } from './codebook.ts';
import { initialCodes } from './initial-codes.ts';
import { normalise } from './normalise.ts';
import type { EmaPolicy, Revival } from './policy.ts';
import { revive } from './revival.ts';
import { state } from './state.ts';

/**
 * A code whose average size has vanished (never chosen, and γ = 0 or k-means left its cluster empty) stays where it is
 * instead of falling to the origin.
 */
const MIN_SIZE = 1e-8;

/** Codes follow the latents that choose them; no gradient reaches them. */
export class EmaCodebook extends Codebook {
  /** E, `[K, D]`. */
  override readonly vectors: tf.Variable;
  override readonly initted: tf.Variable;
  /** N, expected hits per batch, float32 `[K]`. */
  readonly clusterSize: tf.Variable;
  /** M, moving average of the batch sums, float32 `[K, D]`. */
  readonly embedSum: tf.Variable;
  /** int32 scalar: updates so far. */
  readonly updates: tf.Variable;

  readonly #decay: number;
  readonly #epsilon: number;
  readonly #revival: Revival | false;

  constructor(config: CodebookConfig, policy: EmaPolicy) {
    super(config);
    this.#decay = policy.decay ?? 0.99;
    this.#epsilon = policy.epsilon ?? 1e-5;
    this.#revival = policy.revival ?? { share: 0.1 };
    this.vectors = state(() => initialCodes(config));
    this.embedSum = state(() => this.vectors.clone());
    this.clusterSize = state(() => tf.ones([config.size]));
    this.updates = state(() => tf.scalar(0, 'int32'));
    this.initted = state(() => tf.scalar(0, 'int32'));
  }

  override effective(): tf.Tensor2D {
    return ops.stopGradient(this.vectors) as tf.Tensor2D;
  }

  override losses(): Record<string, tf.Scalar> {
    return {};
  }

  override observe({ latents, indices, weights }: Observation): Record<string, tf.Scalar> {
    const { counts, sums } = assign(latents, indices, this.size, weights);
    // A batch of nothing but padding leaves the averages alone.
    const decay = tf.where(counts.sum().greater(0), tf.scalar(this.#decay), tf.scalar(1));
    const follow = (average: tf.Variable, batch: tf.Tensor): tf.Tensor =>
      average.mul(decay).add(batch.mul(tf.scalar(1).sub(decay)));

    let sizes = follow(this.clusterSize, counts) as tf.Tensor1D;
    let totals = follow(this.embedSum, sums) as tf.Tensor2D;
    let codes = this.#means(totals, sizes);
    const updates = this.updates.add(tf.scalar(1, 'int32'));
    let revived = tf.scalar(0);
    if (this.#revival) {
      const { dead, vectors, resetSize } = revive(this.#revival, sizes, latents, weights);
      const warmup = Math.ceil(1 / (1 - this.#decay));
      const settled = this.initted.greater(0).logicalOr(updates.greaterEqual(tf.scalar(warmup, 'int32')));
      const replace = dead.logicalAnd(settled);
      const rows = replace.expandDims(1); // [K, 1]
      sizes = tf.where<tf.Tensor>(replace, resetSize, sizes) as tf.Tensor1D;
      totals = tf.where(rows, vectors.mul(resetSize), totals) as tf.Tensor2D;
      codes = tf.where(rows, vectors, codes) as tf.Tensor2D;
      revived = replace.toFloat().sum();
    }
    this.updates.assign(updates);
    this.clusterSize.assign(sizes);
    this.embedSum.assign(totals);
    this.vectors.assign(codes);
    return { revived };
  }

  protected override place(means: tf.Tensor2D, counts: tf.Tensor1D): void {
    this.vectors.assign(this.unlessPlaced(this.vectors, means));
    this.embedSum.assign(this.unlessPlaced(this.embedSum, means.mul(counts.expandDims(1))));
    this.clusterSize.assign(this.unlessPlaced(this.clusterSize, counts));
  }

  /** E = M/Ñ, on the sphere in cosine mode. */
  #means(totals: tf.Tensor2D, sizes: tf.Tensor1D): tf.Tensor2D {
    const sum = sizes.sum();
    const smoothed = sizes
      .add(this.#epsilon)
      .div(sum.add(this.size * this.#epsilon))
      .mul(sum);
    const averages = totals.div(smoothed.maximum(MIN_SIZE).expandDims(1));
    const codes = tf.where(sizes.greater(MIN_SIZE).expandDims(1), averages, this.vectors) as tf.Tensor2D;
    return this.cosine ? normalise(codes) : codes;
  }
}
