/**
 * Vector quantization: each latent vector is replaced by the nearest of K codes.
 *
 * Neural Discrete Representation Learning (van den Oord, Vinyals, Kavukcuoglu 2017, arXiv 1711.00937), with what later
 * work found to matter: moving-average codebooks and their revival (VQ-VAE-2, Jukebox, SoundStream), k-means
 * initialisation, narrow codes behind a projection and unit-length codes (ViT-VQGAN, arXiv 2110.04627), the rotation
 * trick (arXiv 2410.06424).
 *
 *   i = argmin_k ‖x − E_k‖²     q = E_i     loss: β·mse(x, sg(q)) + the codebook policy's own terms
 *
 * Differs from the 2017 paper in its defaults: moving averages and k-means instead of a gradient codebook.
 */
import { Linear } from '@tesserae/nn';
import { ops, tf, withPrecision } from '@tesserae/tensor';
import type { random } from '@tesserae/tensor';
import { Quantizer } from '@tesserae/tokenizer';
import type { Quantized, QuantizeOptions } from '@tesserae/tokenizer';
import { countHits } from './codebook/assignment.ts';
import type { Codebook } from './codebook/codebook.ts';
import { createCodebook } from './codebook/create-codebook.ts';
import { normalise } from './codebook/normalise.ts';
import { checkPolicy } from './codebook/policy.ts';
import type { CodebookInit, CodebookPolicy } from './codebook/policy.ts';
import { checkIndices, checkIndexValues, checkLatents, checkLatentValues, checkMask } from './checks.ts';
import { estimators } from './estimators/estimator.ts';
import type { Estimator } from './estimators/estimator.ts';
import { commitmentLoss } from './regularisers/commitment.ts';
import { usageStats } from './usage.ts';

/** Options of `VectorQuantizer`. Plain JSON. */
export type VectorQuantizerConfig = {
  /** Width of the latents taken and of the codes given. */
  readonly dim: number;
  /** K, number of codes, at least 2. */
  readonly codebookSize: number;
  /**
   * Width in which codes are searched. Default `dim`. Where it differs, learned linear maps lead there and back;
   * 8–32 is the most effective measure against unused codes in large codebooks.
   */
  readonly codebookDim?: number;
  /** Nearest by distance, or by angle with latents and codes at unit length. Default `euclidean`. */
  readonly similarity?: 'euclidean' | 'cosine';
  /** How codes change in training. Default `{ kind: 'ema' }`. */
  readonly codebook?: CodebookPolicy;
  /** What codes are before the first step. Default `{ kind: 'kmeans' }`: call `prepare` with some latents. */
  readonly init?: CodebookInit;
  /** How gradient passes the choice of a code. Default `straight-through`. */
  readonly estimator?: Estimator;
  /** β, weight of the commitment term. Default 0.25. */
  readonly commitment?: number;
};

/** Options of `VectorQuantizer.quantize`. */
export interface VectorQuantizeOptions extends QuantizeOptions {
  /**
   * `[batch, ...grid]`, bool or 0/1: places that are false are padding. They have no part in losses, statistics and
   * updates, their codes are zero and their indices −1.
   */
  readonly mask?: tf.Tensor;
}

/**
 * Nearest code in a codebook.
 *
 * In training, `quantize` updates the codebook and, with revival, draws one key from the ambient scope
 * (`random.withKey`). All of it runs inside `compile`.
 *
 * @example
 * const quantizer = random.withKey(random.key(0), () => new VectorQuantizer({ dim: 16, codebookSize: 512 }));
 * const { codes, indices, losses } = quantizer.quantize(latents); // [B,h,w,16], int32 [B,h,w], { commitment }
 */
export class VectorQuantizer extends Quantizer {
  override readonly codebookSize: number;
  override readonly dim: number;
  readonly codebook: Codebook;
  /** Only where `codebookDim` differs from `dim`. */
  readonly projectIn: Linear | undefined;
  /** Only where `codebookDim` differs from `dim`. */
  readonly projectOut: Linear | undefined;

  readonly #cosine: boolean;
  readonly #estimator: Estimator;
  readonly #commitment: number;

  /**
   * @throws RangeError naming an option that cannot be: a codebook of fewer than two codes, a rotation of
   * one-dimensional codes, a negative weight.
   */
  constructor(config: VectorQuantizerConfig) {
    super();
    const { dim, codebookSize, codebookDim = dim, similarity = 'euclidean', estimator = 'straight-through' } = config;
    const { codebook = { kind: 'ema' }, init = { kind: 'kmeans' }, commitment = 0.25 } = config;
    checkWhole('dim', dim, 1);
    checkWhole('codebookSize', codebookSize, 2);
    checkWhole('codebookDim', codebookDim, 1);
    checkPolicy(codebook);
    if (!(commitment >= 0)) throw new RangeError(`VectorQuantizer: commitment must be zero or more, got ${commitment}`);
    if (!Object.hasOwn(estimators, estimator)) {
      throw new RangeError(
        `VectorQuantizer: estimator must be ${Object.keys(estimators).join(' or ')}, got ${estimator}`,
      );
    }
    if (similarity !== 'euclidean' && similarity !== 'cosine') {
      throw new RangeError(`VectorQuantizer: similarity must be euclidean or cosine, got ${String(similarity)}`);
    }
    if (codebookDim === 1 && (estimator === 'rotation' || similarity === 'cosine')) {
      throw new RangeError(
        `VectorQuantizer: codes of one dimension have no direction, so ${estimator === 'rotation' ? 'estimator rotation' : 'cosine similarity'} needs codebookDim 2 or more`,
      );
    }
    this.dim = dim;
    this.codebookSize = codebookSize;
    this.#cosine = similarity === 'cosine';
    this.#estimator = estimator;
    this.#commitment = commitment;
    if (codebookDim !== dim) {
      this.projectIn = new Linear({ in: dim, out: codebookDim });
      this.projectOut = new Linear({ in: codebookDim, out: dim });
    }
    this.codebook = createCodebook({ size: codebookSize, dim: codebookDim, cosine: this.#cosine, init }, codebook);
  }

  /**
   * Replace each latent by its code.
   *
   * `losses`: `commitment`, and `codebook` and `orthogonality` where the codebook learns by gradient.
   * `stats`: `usage`, `perplexity`; `revived` in training.
   *
   * @throws RangeError on shapes that do not fit, on NaN or infinity outside `compile` (inside, nothing can be read:
   * such a latent gets some code, and the loss becomes NaN).
   */
  override quantize(latents: tf.Tensor, options: VectorQuantizeOptions = {}): Quantized {
    const operation = 'VectorQuantizer.quantize';
    checkLatents(latents, this.dim, operation);
    if (options.mask) checkMask(options.mask, latents, operation);
    const { training = false, freeze = false } = options;
    return tf.tidy(() => {
      const grid = latents.shape.slice(0, -1); // [B, ...grid]
      const weights = options.mask?.toFloat().reshape([-1]) as tf.Tensor1D | undefined;
      const x = this.#toCodeSpace(latents); // [N, Dc]
      checkLatentValues(x, weights, operation);
      const { estimated, chosen, losses, stats } = withPrecision('float32', () => {
        const effective = this.codebook.effective(); // [K, Dc]
        const chosen = ops.nearestCode(ops.stopGradient(x), ops.stopGradient(effective));
        const selected = tf.gather(effective, chosen) as tf.Tensor2D; // [N, Dc]
        const losses = {
          commitment: commitmentLoss(x, selected, weights).mul(this.#commitment) as tf.Scalar,
          ...this.codebook.losses(x, selected, effective, weights),
        };
        const estimated = estimators[this.#estimator](x, ops.stopGradient(selected));
        const usage = usageStats(countHits(chosen, this.codebookSize, weights));
        const observation = { latents: ops.stopGradient(x), indices: chosen, weights };
        const stats = training && !freeze ? { ...usage, ...this.codebook.observe(observation) } : usage;
        return { estimated, chosen, losses, stats };
      });
      const codes = hidePadding(this.#fromCodeSpace(estimated, grid), options.mask);
      return { codes, indices: markPadding(chosen.reshape(grid), options.mask), losses, stats };
    });
  }

  /**
   * The codes of given indices: int32 `[batch, ...grid]` -> float32 `[batch, ...grid, dim]`. −1 stands for padding and
   * gives zeros.
   *
   * @throws RangeError on an index outside `[-1, codebookSize)`; inside `compile`, where values cannot be read, it is
   * clamped to the nearest valid one instead.
   */
  override lookup(indices: tf.Tensor): tf.Tensor {
    const operation = 'VectorQuantizer.lookup';
    checkIndices(indices, operation);
    checkIndexValues(indices, -1, this.codebookSize, operation);
    return tf.tidy(() => {
      const safe = indices.maximum(tf.scalar(0, 'int32')).minimum(tf.scalar(this.codebookSize - 1, 'int32'));
      const selected = tf.gather(this.codebook.effective(), safe.toInt().reshape([-1]) as tf.Tensor1D) as tf.Tensor2D;
      const codes = this.#fromCodeSpace(selected, indices.shape);
      return hidePadding(codes, indices.greaterEqual(tf.scalar(0, 'int32')));
    });
  }

  /**
   * Place the codes by k-means of these latents, if that is the configured initialisation and has not happened yet.
   *
   * @throws RangeError without latents, or with NaN or infinity among them.
   */
  override prepare(latents: tf.Tensor, key: random.Key): void {
    const operation = 'VectorQuantizer.prepare';
    checkLatents(latents, this.dim, operation);
    if (latents.size === 0) {
      throw new RangeError(
        `${operation}: latents must hold at least one vector, got shape [${latents.shape.join(', ')}]`,
      );
    }
    tf.tidy(() => {
      const x = this.#toCodeSpace(latents);
      checkLatentValues(x, undefined, operation);
      withPrecision('float32', () => this.codebook.initialise(x, key));
    });
  }

  /** `[B, ...grid, dim]` -> float32 `[N, Dc]`, at unit length in cosine mode. */
  #toCodeSpace(latents: tf.Tensor): tf.Tensor2D {
    const flat = latents.reshape([-1, this.dim]);
    const projected = (this.projectIn ? this.projectIn.call(flat) : flat).toFloat() as tf.Tensor2D;
    return this.#cosine ? normalise(projected) : projected;
  }

  /** `[N, Dc]` -> `[B, ...grid, dim]`. */
  #fromCodeSpace(codes: tf.Tensor2D, grid: readonly number[]): tf.Tensor {
    const projected = this.projectOut ? this.projectOut.call(codes) : codes;
    return projected.reshape([...grid, this.dim]);
  }
}

/** Zero codes where the mask is false. */
function hidePadding(codes: tf.Tensor, mask: tf.Tensor | undefined): tf.Tensor {
  return mask ? tf.where(mask.toBool().expandDims(-1), codes, tf.zerosLike(codes)) : codes;
}

/** Index −1 where the mask is false. */
function markPadding(indices: tf.Tensor, mask: tf.Tensor | undefined): tf.Tensor {
  return mask ? tf.where(mask.toBool(), indices, tf.scalar(-1, 'int32')) : indices;
}

function checkWhole(name: string, value: number, least: number): void {
  if (!Number.isSafeInteger(value) || value < least) {
    throw new RangeError(`VectorQuantizer: ${name} must be a whole number of at least ${least}, got ${value}`);
  }
}
