/**
 * The two halves of the distance between latents and codes (van den Oord et al. 2017, equation 3).
 *
 * `commitmentLoss` moves latents towards their codes (β); `codebookLoss` moves codes towards their latents, and is
 * absent where the codebook follows moving averages. β belongs on the first: VQGAN's released code has it on the
 * second by mistake.
 */
import { ops, tf } from '@tesserae/tensor';

/** mse(x, sg(q)) over all elements of unmasked rows: gradient 2(x − q)/numel to the latents. */
export function commitmentLoss(latents: tf.Tensor2D, codes: tf.Tensor2D, weights?: tf.Tensor1D): tf.Scalar {
  return meanSquare(latents.sub(ops.stopGradient(codes)), weights);
}

/** mse(sg(x), q) over all elements of unmasked rows: gradient 2(q − x)/numel to the codes. */
export function codebookLoss(latents: tf.Tensor2D, codes: tf.Tensor2D, weights?: tf.Tensor1D): tf.Scalar {
  return meanSquare(codes.sub(ops.stopGradient(latents)), weights);
}

/** Mean of squares over rows of weight above zero; 0 if there is none. */
function meanSquare(difference: tf.Tensor2D, weights?: tf.Tensor1D): tf.Scalar {
  if (!weights) return difference.square().mean();
  const [count, dim] = difference.shape;
  const kept = weights.reshape([count, 1]).greater(0);
  // `where` before the square keeps NaN padding out of the value and out of the gradient.
  const squares = tf.where(kept, difference, tf.zerosLike(difference)).square();
  return squares.sum().div(weights.sum().maximum(1).mul(dim)) as tf.Scalar;
}
