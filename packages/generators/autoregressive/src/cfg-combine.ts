/**
 * Classifier-free guidance in logit space (Ho and Salimans, arXiv 2207.12598, as LlamaGen applies it to logits).
 *
 * It comes before temperature and filtering: guidance decides what the distribution is, they decide how to draw from it.
 */
import { tf } from '@tesserae/tensor';

/**
 * ℓ_u + s·(ℓ_c − ℓ_u): away from what the model says without the condition.
 *
 * @param conditional - Logits under the condition, ℓ_c.
 * @param unconditional - Logits under the null condition, ℓ_u, same shape.
 * @param scale - s. 1 gives ℓ_c, 0 gives ℓ_u (both exactly), above 1 strengthens the condition.
 * @throws RangeError when the shapes differ.
 */
export function cfgCombine<T extends tf.Tensor>(conditional: T, unconditional: T, scale: number): T {
  if (!tf.util.arraysEqual(conditional.shape, unconditional.shape)) {
    throw new RangeError(
      `cfgCombine: conditional and unconditional logits must have one shape, got [${conditional.shape.join(', ')}] ` +
        `and [${unconditional.shape.join(', ')}]`,
    );
  }
  if (scale === 1) return tf.clone(conditional);
  if (scale === 0) return tf.clone(unconditional);
  return tf.tidy(() => tf.add(unconditional, tf.mul(tf.sub(conditional, unconditional), scale))) as T;
}
