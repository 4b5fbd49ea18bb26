/**
 * The contract of a quantizer: what sits between an encoder and a decoder and turns latents into codes.
 *
 * Vector quantization, FSQ, LFQ, residual stacks … all look like this from outside, so an autoencoder takes any of
 * them. What one of them needs beyond it (a mask, a temperature) goes into wider options of its own `quantize`.
 */
import { Module } from '@tesserae/nn';
import { tf } from '@tesserae/tensor';

/** Options that every quantizer understands. */
export interface QuantizeOptions {
  /** Whether this is a training step: codebooks update, noise is drawn, losses matter. Default false. */
  readonly training?: boolean;
  /** In a training step, leave the codebook and its statistics as they are. Default false. */
  readonly freeze?: boolean;
}

/** The result of `Quantizer.quantize`. */
export interface Quantized {
  /**
   * `[batch, ...grid, dim]`, float32: the value is exactly `lookup(indices)` with the codebook as it was when the call
   * began; the gradient with respect to the latents is the quantizer's estimator (straight-through, rotation, …).
   */
  readonly codes: tf.Tensor;
  /** `[batch, ...grid]`, int32, each in `[0, codebookSize)`. Quantizers with several codes a place append an axis. */
  readonly indices: tf.Tensor;
  /** Named loss terms, each already weighted: the quantizer's part of the objective is their plain sum. */
  readonly losses: Record<string, tf.Scalar>;
  /** Named figures of this batch without gradient, such as `usage`, `perplexity`, `dead`. */
  readonly stats: Record<string, tf.Scalar>;
}

/**
 * Latents in, codes out.
 *
 * A codebook that learns by gradient is a parameter; one that follows a moving average is a buffer, updated inside
 * `quantize` while `training` and not `freeze`. The codes returned by that call are those from before the update, so
 * decoding its indices afterwards gives slightly other vectors: quantize without `training` where that matters.
 */
export abstract class Quantizer extends Module {
  /** Number of different codes: indices lie in `[0, codebookSize)`. */
  abstract readonly codebookSize: number;

  /** Width of the latents taken and of the codes given. */
  abstract readonly dim: number;

  /**
   * Replace each latent vector by a code.
   *
   * @param latents - `[batch, ...grid, dim]`, float32 or a lower precision; distances are computed in float32.
   */
  abstract quantize(latents: tf.Tensor, options?: QuantizeOptions): Quantized;

  /**
   * The codes of given indices, as the decoder sees them (after any output projection).
   *
   * @param indices - int32 `[batch, ...grid]`.
   * @returns float32 `[batch, ...grid, dim]`.
   */
  abstract lookup(indices: tf.Tensor): tf.Tensor;

  /**
   * Initialise from data, once, before the first step of training: k-means, for example. Not called on resume.
   * Runs outside `compile`.
   *
   * @param latents - `[batch, ...grid, dim]`: the encoder's output for some training signals.
   */
  prepare?(latents: tf.Tensor, key: tf.Tensor1D): void;
}

/** The sum of named loss terms; zero for none. */
export function sumLosses(losses: Record<string, tf.Scalar>): tf.Scalar {
  const terms = Object.values(losses);
  if (terms.length === 0) return tf.scalar(0);
  return terms.reduce((sum, term) => tf.add(sum, term) as tf.Scalar);
}
