/**
 * Straight-through estimator (Bengio et al. 2013, arXiv 1308.3432; in VQ-VAE, section 3.2).
 *
 * Forward the code; backward the identity: the gradient at the code is handed to the latent as if they were one.
 */
import { ops } from '@tesserae/tensor';
import type { tf } from '@tesserae/tensor';

/**
 * @param latents - float32 `[N, D]`.
 * @param codes - float32 `[N, D]`.
 * @returns `codes` exactly, with d out/d latents = I and no gradient to `codes`.
 */
export function straightThrough(latents: tf.Tensor2D, codes: tf.Tensor2D): tf.Tensor2D {
  return ops.straightThrough(latents, codes) as tf.Tensor2D;
}
