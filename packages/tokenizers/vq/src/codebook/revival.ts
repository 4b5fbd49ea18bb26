/**
 * Revival of dead codes: a code that hardly any latent chooses is moved onto a random latent of the batch.
 *
 * From Jukebox (Dhariwal et al. 2020, section 3) and SoundStream (Zeghidour et al. 2021, section 3.3). Without it a
 * codebook of 512 keeps some 18 % of its codes alive in our measurements, with it 99 %.
 * "Dead" is a number of expected hits per batch, N_k; since N_k tends to N/K for a code of average use, a threshold
 * near N/K replaces healthy codes forever. Hence `share`, relative to N/K.
 */
import { ops, random, tf } from '@tesserae/tensor';
import type { Revival } from './policy.ts';

/** What `revive` decides. */
export interface Revived {
  /** bool `[K]`: codes that are replaced. */
  readonly dead: tf.Tensor1D;
  /** float32 `[K, D]`: a random latent for every code (used where `dead`). */
  readonly vectors: tf.Tensor2D;
  /** N_k given to a revived code. */
  readonly resetSize: tf.Scalar;
}

/**
 * Choose the dead codes and what replaces them.
 *
 * Draws one key from the ambient scope. Traceable. A batch whose weights are all zero revives nothing.
 *
 * @param sizes - N_k, float32 `[K]`, after the update of this step.
 * @param latents - float32 `[N, D]`.
 * @param weights - float32 `[N]`, 0 for padding; only other rows are drawn.
 */
export function revive(revival: Revival, sizes: tf.Tensor1D, latents: tf.Tensor2D, weights?: tf.Tensor1D): Revived {
  const size = sizes.shape[0];
  const total = weights ? (weights.sum() as tf.Scalar) : tf.scalar(latents.shape[0]);
  const threshold = 'share' in revival ? (total.mul(revival.share / size) as tf.Scalar) : tf.scalar(revival.threshold);
  const resetSize = revival.resetSize === undefined ? threshold : tf.scalar(revival.resetSize);
  const rows = randomRows(size, latents.shape[0], weights);
  return {
    dead: sizes.less(threshold).logicalAnd(total.greater(0)),
    vectors: tf.gather(latents, rows) as tf.Tensor2D,
    resetSize,
  };
}

/** `size` row numbers below `count`, with replacement, among rows of weight above zero: int32 `[size]`. */
function randomRows(size: number, count: number, weights?: tf.Tensor1D): tf.Tensor1D {
  const key = random.next();
  if (!weights) return random.randint(key, [size], { min: 0, max: count }) as tf.Tensor1D;
  // The kept rows move to the front: row r goes to place (kept rows before r), padding to the extra place at the end.
  const kept = weights.greater(0).toFloat();
  const place = tf.where(kept.greater(0), kept.cumsum().sub(1), tf.fill([count], count)).toInt() as tf.Tensor1D;
  const compact = ops.scatterAdd(place, tf.range(0, count, 1, 'float32'), count + 1);
  const drawn = random.uniform(key, [size]).mul(kept.sum()).floor();
  // A uniform just below 1 may round up to the count itself.
  const rank = drawn.minimum(kept.sum().sub(1).maximum(0)).toInt();
  return tf.gather(compact, rank as tf.Tensor1D).toInt() as tf.Tensor1D;
}
