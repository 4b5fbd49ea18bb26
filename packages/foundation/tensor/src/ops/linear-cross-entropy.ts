/**
 * Cross entropy of integer labels under the logits of a linear layer, without the logits in memory where the engine can:
 * softmaxCrossEntropy(features weight + bias, labels).
 *
 * With a large vocabulary the logits are the largest tensor of a language model (Wijmans et al., "Cut Your Losses in
 * Large-Vocabulary Language Models", arXiv:2411.09009). Engines may register `LinearCrossEntropy` ({ features [N, D],
 * weight [D, V], bias? [V], labels int32 [N] } -> [loss [N], logSumExp [N]]) and `LinearCrossEntropyGrad` ({ ..., logSumExp,
 * dLoss } -> [dFeatures, dWeight, dBias?]), which compute logits by blocks, in the backward pass again. What differs
 * from the paper: gradients that round to zero are not skipped.
 */
import * as tf from '@tensorflow/tfjs-core';
import { checkTensor, describe } from './check.ts';
import { hasKernel, runFused, runKernel } from './fused-kernel.ts';
import type { FusedOp } from './fused-kernel.ts';
import { checkClasses, composedCrossEntropy } from './softmax-cross-entropy.ts';

/** Arguments of {@link linearCrossEntropy}. */
export interface LinearCrossEntropyOptions {
  /** float32 [..., D]. */
  features: tf.Tensor;
  /** float32 [D, V]. */
  weight: tf.Tensor;
  /** float32 [V]; default none. */
  bias?: tf.Tensor;
  /** int32 [...], in [0, V); not checked, since a compiled program cannot look at values. */
  labels: tf.Tensor;
}

const fused: FusedOp = {
  forward: ([features, weight, bias], [labels]) => {
    const [loss, logSumExp] = runKernel('LinearCrossEntropy', { features, weight, bias, labels });
    return { value: loss as tf.Tensor, extra: [logSumExp as tf.Tensor] };
  },
  backward: (dLoss, [features, weight, bias], [labels], _, [logSumExp]) =>
    runKernel('LinearCrossEntropyGrad', { features, weight, bias, labels, logSumExp, dLoss }),
  composed: (inputs, [labels]) => composed(inputs, labels as tf.Tensor),
};

function composed([features, weight, bias]: tf.Tensor[], labels: tf.Tensor): tf.Tensor {
  const logits = tf.matMul(features as tf.Tensor, weight as tf.Tensor); // [N, V]
  return composedCrossEntropy(bias === undefined ? logits : tf.add(logits, bias), labels);
}

/**
 * The loss of each label in nats; not reduced.
 *
 * Worth its second product of the backward pass where the logits are large; for small vocabularies
 * `softmaxCrossEntropy` of the logits is faster.
 *
 * @returns float32 [...], as `labels`.
 * @throws TypeError for a wrong dtype or rank, RangeError if the shapes do not fit.
 */
export function linearCrossEntropy(options: LinearCrossEntropyOptions): tf.Tensor {
  const { features, weight, bias, labels } = options;
  checkTensor('linearCrossEntropy', 'features', features, {});
  checkTensor('linearCrossEntropy', 'weight', weight, { ranks: [2], shape: ' [D, V]' });
  if (bias !== undefined) checkTensor('linearCrossEntropy', 'bias', bias, { ranks: [1], shape: ' [V]' });
  checkTensor('linearCrossEntropy', 'labels', labels, { dtype: 'int32' });
  const [dim, vocabulary] = weight.shape as [number, number];
  const fits =
    features.rank >= 1 &&
    features.shape[features.rank - 1] === dim &&
    tf.util.arraysEqual(features.shape.slice(0, -1), labels.shape) &&
    (bias === undefined || bias.shape[0] === vocabulary);
  if (!fits) {
    throw new RangeError(
      `linearCrossEntropy: 'features' [..., D], 'weight' [D, V], 'bias' [V] and 'labels' [...] must agree, but got features ` +
        `${describe(features)}, weight ${describe(weight)}, ${bias === undefined ? '' : `bias ${describe(bias)}, `}labels ${describe(labels)}.`,
    );
  }
  checkClasses('linearCrossEntropy', 'weight', weight, vocabulary);
  return tf.tidy(() => {
    const rows = tf.reshape(features, [labels.size, dim]);
    const flat = tf.reshape(labels, [labels.size]);
    // No row: no loss, and gradients of zero.
    if (labels.size === 0) {
      const logits = tf.matMul(rows as tf.Tensor2D, weight as tf.Tensor2D);
      return tf.reshape(tf.sum(bias === undefined ? logits : tf.add(logits, bias), -1), labels.shape);
    }
    const inputs = bias === undefined ? [rows, weight] : [rows, weight, bias];
    const losses = hasKernel('LinearCrossEntropy') ? runFused(fused, inputs, [flat]) : composed(inputs, flat);
    return tf.reshape(losses, labels.shape);
  });
}
