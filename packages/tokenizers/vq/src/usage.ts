/**
 * How well a codebook is used in one batch, computed on the device so that it may run inside `compile`.
 *
 * A batch of N latents touches at most N codes: judge a codebook over a whole split, with `CodebookStats` of
 * `@tesserae/metrics`, and take these figures as the trend.
 */
import { perplexity } from '@tesserae/metrics';
import type { tf } from '@tesserae/tensor';

/** Figures of one batch, all without gradient. */
export interface UsageStats extends Record<string, tf.Scalar> {
  /** Share of the codes that were chosen at least once, 0–1. */
  readonly usage: tf.Scalar;
  /** exp(−Σ p log p): the number of codes in use, each counted by how evenly it is used; 1–K. */
  readonly perplexity: tf.Scalar;
}

/**
 * @param counts - Hits per code, float32 `[K]`. All zero gives usage 0 and perplexity 1.
 */
export function usageStats(counts: tf.Tensor1D): UsageStats {
  return { usage: counts.greater(0).toFloat().mean(), perplexity: perplexity(counts) };
}
