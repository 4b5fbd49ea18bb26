/** Gradient clipping by the norm of all gradients together (Pascanu et al. 2013), as `torch.nn.utils.clip_grad_norm_`. */
import { tf, withPrecision } from '@tesserae/tensor';
import type { Gradients } from './optimizer.ts';

/** Result of {@link clipByGlobalNorm}; all tensors are the caller's. */
export interface ClippedGradients {
  /** Gradients times min(1, max / (norm + 1e-6)). */
  readonly grads: Record<string, tf.Tensor>;
  /** √Σ g² before clipping. NaN or infinite where a gradient is. */
  readonly norm: tf.Scalar;
}

/** √Σ g² over all gradients, float32 scalar; 0 for none. */
export function globalNorm(grads: Gradients): tf.Scalar {
  return tf.tidy(() => {
    const squares = Object.values(grads).map((grad) => tf.sum(tf.square(grad)));
    return squares.length === 0 ? tf.scalar(0) : (tf.sqrt(tf.sum(tf.stack(squares))) as tf.Scalar);
  });
}

/**
 * Scales all gradients by one factor so that their norm together is at most `max`; shorter ones stay as they are. The
 * factor is computed on the device, so it can be part of a compiled step.
 *
 * @throws RangeError unless `max` is positive.
 */
export function clipByGlobalNorm(grads: Gradients, max: number): ClippedGradients {
  if (!(max > 0)) throw new RangeError(`clipByGlobalNorm: 'max' must be positive, got ${max}.`);
  // float32 whatever the products of the model compute with
  return withPrecision('float32', () =>
    tf.tidy(() => {
      const norm = globalNorm(grads);
      const factor = tf.minimum(tf.div(max, tf.add(norm, 1e-6)), 1);
      const clipped = Object.entries(grads).map(([name, grad]) => [name, tf.mul(grad, factor)] as const);
      return { grads: Object.fromEntries(clipped), norm };
    }),
  );
}
