/**
 * Finite scalar quantization: round a few bounded numbers, call each combination a code.
 *
 * Mentzer et al. 2023 (arXiv 2309.15505), section 3.1 and appendix A.1; the symmetric variant after
 * vector-quantize-pytorch. No codebook, so nothing to collapse, to revive or to initialise; no auxiliary loss.
 *
 *   original    y = tanh(z + s)·h − o,  h = (L−1)(1+ε)/2,  o = ½ if L is even else 0,  s = atanh(o/h),  ε = 1e-3
 *               code = round(y)/⌊L/2⌋: for L = 8 from −1 to 0.75
 *   symmetric   code = 2/(L−1)·⌊(L−1)(tanh z + 1)/2 + ½⌋ − 1: from −1 to 1 for every L
 *   index       Σ digit_j·b_j,  b = (1, L₁, L₁L₂, …): the first dimension varies fastest
 *
 * Rounding passes gradient straight through; the squashing before it is differentiated as it is.
 * Index arithmetic is int32, since float32 counts exactly only to 2²⁴; rounding is done in float32 whatever the
 * surrounding precision. Which variant made a code matters: it is part of the configuration.
 */
import { Linear } from '@tesserae/nn';
import { ops, tf } from '@tesserae/tensor';
import { Quantizer } from '@tesserae/tokenizer';
import type { Quantized, QuantizeOptions } from '@tesserae/tokenizer';
import { checkIndices, checkIndexValues, checkLatents, checkLatentValues } from './checks.ts';
import { countHits } from './codebook/assignment.ts';
import { usageStats } from './usage.ts';

/** Options of `FSQ`. Plain JSON. */
export type FSQConfig = {
  /**
   * Levels of each dimension, each 2 or more; their product is the codebook size. The paper's sets: `[8,6,5]` (240),
   * `[8,5,5,5]` (1000), `[7,5,5,5,5]` (4375), `[8,8,8,6,5]` (15360).
   */
  readonly levels: readonly number[];
  /** Width of the latents. Default `levels.length`; where it differs, learned linear maps lead there and back. */
  readonly dim?: number;
  /** How a dimension is bounded and rounded. Default `original`; levels of 2 need `symmetric`. */
  readonly variant?: 'original' | 'symmetric';
};

/** Slack of the original variant's bound, so that the outermost levels are reached. */
const EPSILON = 1e-3;

/** Codebooks larger than this get no usage figures: counting would take a number per code and step. */
const MAX_COUNTED = 2 ** 20;

/**
 * Finite scalar quantizer.
 *
 * @example
 * const quantizer = random.withKey(random.key(0), () => new FSQ({ levels: [8, 5, 5, 5] }));
 * const { codes, indices } = quantizer.quantize(latents); // [B,h,w,4] -> [B,h,w,4], int32 [B,h,w] below 1000
 */
export class FSQ extends Quantizer {
  override readonly codebookSize: number;
  override readonly dim: number;
  readonly levels: readonly number[];
  readonly variant: 'original' | 'symmetric';
  /** Only where `dim` differs from the number of levels. */
  readonly projectIn: Linear | undefined;
  /** Only where `dim` differs from the number of levels. */
  readonly projectOut: Linear | undefined;

  /** @throws RangeError on levels that are not whole numbers of at least 2 (3 in the original variant), or too many codes. */
  constructor(config: FSQConfig) {
    super();
    const { levels, dim = levels.length, variant = 'original' } = config;
    if (variant !== 'original' && variant !== 'symmetric') {
      throw new RangeError(`FSQ: variant must be original or symmetric, got ${String(variant)}`);
    }
    if (levels.length === 0)
      throw new RangeError('FSQ: levels is empty: give the levels of each dimension, like [8, 5, 5, 5]');
    const least = variant === 'original' ? 3 : 2;
    levels.forEach((level, j) => {
      if (!Number.isSafeInteger(level) || level < least) {
        const remedy = level === 2 ? '; two levels need variant symmetric' : '';
        throw new RangeError(`FSQ: levels[${j}] must be a whole number of at least ${least}, got ${level}${remedy}`);
      }
    });
    const size = levels.reduce((product, level) => product * level, 1);
    if (size >= 2 ** 31) throw new RangeError(`FSQ: levels make ${size} codes; indices are int32, so stay below 2^31`);
    if (!Number.isSafeInteger(dim) || dim < 1)
      throw new RangeError(`FSQ: dim must be a positive whole number, got ${dim}`);
    this.levels = [...levels];
    this.variant = variant;
    this.codebookSize = size;
    this.dim = dim;
    if (dim !== levels.length) {
      this.projectIn = new Linear({ in: dim, out: levels.length });
      this.projectOut = new Linear({ in: levels.length, out: dim });
    }
  }

  /**
   * Round each latent to its code. No losses; `stats`: `usage`, `perplexity` (up to 2²⁰ codes).
   *
   * @throws RangeError on shapes that do not fit, on NaN or infinity outside `compile`.
   */
  override quantize(latents: tf.Tensor, _options: QuantizeOptions = {}): Quantized {
    const operation = 'FSQ.quantize';
    checkLatents(latents, this.dim, operation);
    return tf.tidy(() => {
      const grid = latents.shape.slice(0, -1); // [B, ...grid]
      const flat = latents.reshape([-1, this.dim]) as tf.Tensor2D;
      const z = (this.projectIn ? this.projectIn.call(flat) : flat).toFloat() as tf.Tensor2D; // [N, d]
      checkLatentValues(z, undefined, operation);
      const { bounded, digits } = this.#round(z);
      const codes = ops.straightThrough(bounded, this.#codesOf(digits)) as tf.Tensor2D;
      const indices = digits.mul(this.#row(bases(this.levels), 'int32')).sum(-1) as tf.Tensor1D; // [N]
      return {
        codes: this.#fromCodeSpace(codes, grid),
        indices: indices.reshape(grid),
        losses: {},
        stats: this.codebookSize > MAX_COUNTED ? {} : usageStats(countHits(indices, this.codebookSize)),
      };
    });
  }

  /**
   * The codes of given indices: int32 `[batch, ...grid]` -> float32 `[batch, ...grid, dim]`.
   *
   * @throws RangeError on an index outside `[0, codebookSize)`; inside `compile`, where values cannot be read, it is
   * clamped to the nearest valid one instead.
   */
  override lookup(indices: tf.Tensor): tf.Tensor {
    const operation = 'FSQ.lookup';
    checkIndices(indices, operation);
    checkIndexValues(indices, 0, this.codebookSize, operation);
    return tf.tidy(() => {
      const safe = indices.maximum(tf.scalar(0, 'int32')).minimum(tf.scalar(this.codebookSize - 1, 'int32'));
      const column = safe.toInt().reshape([-1, 1]); // [N, 1]
      // Digit j is ⌊i/b_j⌋ mod L_j.
      const quotients = column.floorDiv(this.#row(bases(this.levels), 'int32')); // [N, d]
      const levels = this.#row(this.levels, 'int32');
      const digits = quotients.sub(quotients.floorDiv(levels).mul(levels)) as tf.Tensor2D;
      return this.#fromCodeSpace(this.#codesOf(digits), indices.shape);
    });
  }

  /** `[N, d]` -> the bounded value that carries the gradient, in code units, and the digits, int32 in `[0, L)`. */
  #round(z: tf.Tensor2D): { bounded: tf.Tensor2D; digits: tf.Tensor2D } {
    const top = this.#row(this.levels.map((level) => level - 1));
    if (this.variant === 'symmetric') {
      const bounded = z.tanh() as tf.Tensor2D;
      const digits = ops.stopGradient(bounded).add(1).mul(top).div(2).add(0.5).floor();
      return { bounded, digits: digits.minimum(top).toInt() as tf.Tensor2D };
    }
    const half = this.levels.map((level) => ((level - 1) * (1 + EPSILON)) / 2);
    const offset = this.levels.map((level) => (level % 2 === 0 ? 0.5 : 0));
    const shift = half.map((h, j) => Math.atanh((offset[j] as number) / h));
    const bounded = z.add(this.#row(shift)).tanh().mul(this.#row(half)).sub(this.#row(offset));
    const digits = ops.stopGradient(bounded).round().add(this.#row(this.#centres())).maximum(0).minimum(top);
    return { bounded: bounded.div(this.#row(this.#centres())) as tf.Tensor2D, digits: digits.toInt() as tf.Tensor2D };
  }

  /** Digits, int32 `[N, d]` -> codes, float32 `[N, d]`. */
  #codesOf(digits: tf.Tensor2D): tf.Tensor2D {
    const values = digits.toFloat();
    if (this.variant === 'symmetric') {
      return values
        .mul(2)
        .div(this.#row(this.levels.map((level) => level - 1)))
        .sub(1) as tf.Tensor2D;
    }
    const centres = this.#row(this.#centres());
    return values.sub(centres).div(centres) as tf.Tensor2D;
  }

  /** ⌊L/2⌋: the digit of code 0, and the number of steps to −1. */
  #centres(): number[] {
    return this.levels.map((level) => Math.floor(level / 2));
  }

  /** `[N, d]` -> `[B, ...grid, dim]`. */
  #fromCodeSpace(codes: tf.Tensor2D, grid: readonly number[]): tf.Tensor {
    const projected = this.projectOut ? this.projectOut.call(codes) : codes;
    return projected.reshape([...grid, this.dim]);
  }

  /** One number per dimension: `[1, d]`. */
  #row(values: readonly number[], dtype: 'float32' | 'int32' = 'float32'): tf.Tensor2D {
    return tf.tensor2d([...values], [1, values.length], dtype);
  }
}

/** b = (1, L₁, L₁L₂, …). */
function bases(levels: readonly number[]): number[] {
  let product = 1;
  return levels.map((level) => {
    const base = product;
    product *= level;
    return base;
  });
}
