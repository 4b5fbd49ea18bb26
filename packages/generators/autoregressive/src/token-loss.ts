/** Negative log-likelihood of tokens under a linear head, with or without the logits in memory. */
import { ops, tf } from '@tesserae/tensor';

/**
 * Number of logits from which they are not kept: 256 MB in float32. Below it computing them twice in a training step costs
 * more than it saves.
 */
const largeLogits = 2 ** 26;

/**
 * −log p of each token in nats.
 *
 * @param features - float32 `[B, N, dim]`.
 * @param weight - float32 `[dim, V]`.
 * @param tokens - int32 `[B, N]`.
 * @param limit - Number of logits from which the fused loss is used.
 * @returns `[B, N]`.
 */
export function tokenLoss(
  features: tf.Tensor3D,
  weight: tf.Tensor2D,
  tokens: tf.Tensor2D,
  limit: number = largeLogits,
): tf.Tensor2D {
  const [batch, n, dim] = features.shape;
  const vocabulary = weight.shape[1];
  if (batch * n * vocabulary >= limit) {
    return ops.linearCrossEntropy({ features, weight, labels: tokens }) as tf.Tensor2D;
  }
  const logits = tf.matMul(tf.reshape(features, [batch * n, dim]), weight);
  return ops.softmaxCrossEntropy(tf.reshape(logits, [batch, n, vocabulary]), tokens) as tf.Tensor2D;
}
