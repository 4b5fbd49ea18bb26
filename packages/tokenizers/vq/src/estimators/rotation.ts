/**
 * The rotation trick (Fifty et al., ICLR 2025, arXiv 2410.06424, section 4).
 *
 * Forward the code; backward as if the code were the latent, rotated by the rotation R that takes the direction of the
 * latent to that of the code, and scaled by λ = ‖q‖/‖x‖, both held constant. So the angle between gradient and code
 * is kept when the gradient arrives at the latent, and gradients inside one Voronoi cell may differ.
 *
 *   R = I − 2wwᵀ + 2q̂ûᵀ   with û = x/‖x‖, q̂ = q/‖q‖, w = (û + q̂)/‖û + q̂‖
 *   gradient to x: λ Rᵀg = λ (g − 2w(w·g) + 2û(q̂·g))
 *
 * The paper's code computes λRx forward, which equals q up to rounding; here the forward value is q itself, so that
 * codes and `lookup(indices)` agree to the bit.
 * Undefined for D = 1. A latent or code near zero gets the straight-through gradient, which is the limit that stays
 * bounded; opposite directions, for which no single rotation is preferred, use w = 0 (a guarded norm).
 */
import { tf } from '@tesserae/tensor';

/** Lengths below this count as zero. */
const MIN_NORM = 1e-6;

/**
 * @param latents - float32 `[N, D]`.
 * @param codes - float32 `[N, D]`.
 * @returns `codes` exactly, with d out/d latents = λR and no gradient to `codes`.
 */
export function rotationTrick(latents: tf.Tensor2D, codes: tf.Tensor2D): tf.Tensor2D {
  const estimator = tf.customGrad((x, q, save) => {
    const from = x as tf.Tensor2D;
    const to = q as tf.Tensor2D;
    (save as tf.GradSaveFunc)([from, to]);
    const gradFunc = (upstream: tf.Tensor, saved: tf.Tensor[]): tf.Tensor[] => {
      const [x, q] = saved as [tf.Tensor2D, tf.Tensor2D];
      return [rotateBack(upstream as tf.Tensor2D, x, q), tf.zerosLike(q)];
    };
    return { value: to.clone(), gradFunc: gradFunc as (dy: tf.Tensor, saved: tf.Tensor[]) => tf.Tensor[] };
  });
  return estimator(latents, codes) as tf.Tensor2D;
}

/** λ Rᵀ g, row by row: `[N, D]`. */
function rotateBack(upstream: tf.Tensor2D, x: tf.Tensor2D, q: tf.Tensor2D): tf.Tensor2D {
  const dot = (a: tf.Tensor, b: tf.Tensor): tf.Tensor => a.mul(b).sum(-1, true); // [N, 1]
  const length = (a: tf.Tensor): tf.Tensor => a.square().sum(-1, true).sqrt();
  const xLength = length(x);
  const qLength = length(q);
  const u = x.div(xLength.maximum(MIN_NORM));
  const v = q.div(qLength.maximum(MIN_NORM));
  const between = u.add(v);
  const w = between.div(length(between).maximum(MIN_NORM));
  const rotated = upstream.sub(w.mul(dot(w, upstream)).mul(2)).add(u.mul(dot(v, upstream)).mul(2));
  const scaled = rotated.mul(qLength.div(xLength.maximum(MIN_NORM)));
  const defined = xLength.greater(MIN_NORM).logicalAnd(qLength.greater(MIN_NORM)); // [N, 1]
  return tf.where(defined, scaled, upstream) as tf.Tensor2D;
}
