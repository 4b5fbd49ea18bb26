/** Unit length along the last axis: cosine mode searches and returns codes on the sphere (ViT-VQGAN, section 3.2). */
import { type tf } from '@tesserae/tensor';

/** Below this length a vector counts as zero and stays (near) zero instead of becoming NaN. */
const MIN_NORM = 1e-6;

/**
 * x / max(‖x‖, 1e-6) over the last axis, differentiable.
 *
 * The maximum is taken of the squared length, so that the gradient at x = 0 is finite.
 */
export function normalise<T extends tf.Tensor>(x: T): T {
  const squared = x
    .square()
    .sum(-1, true)
    .maximum(MIN_NORM * MIN_NORM);
  return x.mul(squared.rsqrt()) as T;
}
