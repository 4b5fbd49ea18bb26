/**
 * Orthogonality of the codebook (Shin et al. 2021, "Translation-equivariant image quantizer", arXiv 2112.00384,
 * equation 5): ‖ÊÊᵀ‖²_F/K² − 1/K with Ê the codes at unit length. 0 for orthogonal codes, 1 − 1/K for equal ones.
 *
 * Only a codebook that learns by gradient can use it; with moving averages the gradient step is overwritten.
 */
import type { tf } from '@tesserae/tensor';
import { normalise } from '../codebook/normalise.ts';

/**
 * @param codes - float32 `[K, D]`.
 * @returns The regulariser, without weight. Cost K²·D.
 */
export function orthogonalityLoss(codes: tf.Tensor2D): tf.Scalar {
  const size = codes.shape[0];
  const unit = normalise(codes);
  const similarities = unit.matMul(unit, false, true); // [K, K]
  return similarities
    .square()
    .sum()
    .div(size * size)
    .sub(1 / size) as tf.Scalar;
}
