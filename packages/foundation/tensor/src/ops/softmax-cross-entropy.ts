/**
 * Cross entropy of integer labels under logits: logsumexp(logits) - logits[label].
 *
 * The label's logit is gathered from the flattened logits, so the forward pass builds no one-hot matrix; the backward
 * pass, whose result is a matrix anyway, subtracts one from the softmax. Engines may register `SoftmaxCrossEntropy`
 * ({ logits [N, V], labels int32 [N] } -> [loss [N], logSumExp [N]]) and `SoftmaxCrossEntropyGrad` ({ logits, labels,
 * logSumExp, dLoss } -> dLogits), which writes that matrix in one pass.
 */
import * as tf from '@tensorflow/tfjs-core';
import { checkTensor, describe } from './check.ts';
import { hasKernel, runFused, runKernel } from './fused-kernel.ts';
import type { FusedOp } from './fused-kernel.ts';

/** Of plain ops: logits [N, V], labels [N] -> [N]. */
export function composedCrossEntropy(logits: tf.Tensor, labels: tf.Tensor): tf.Tensor {
  const [rows, vocabulary] = logits.shape as [number, number];
  const op = tf.customGrad((input, save) => {
    const matrix = input as tf.Tensor2D; // [N, V]
    (save as tf.GradSaveFunc)([matrix, labels]);
    const rowStart = tf.mul(tf.range(0, rows, 1, 'int32'), tf.scalar(vocabulary, 'int32'));
    const picked = tf.gather(tf.reshape(matrix, [rows * vocabulary]), tf.add(rowStart, labels));
    return {
      value: tf.sub(tf.logSumExp(matrix, -1), picked),
      gradFunc: (dy: tf.Tensor, [savedLogits, savedLabels]: tf.Tensor[]) => {
        // Not tf.oneHot, which refuses a single class.
        const classes = tf.range(0, vocabulary, 1, 'int32');
        const target = tf.cast(tf.equal(tf.expandDims(savedLabels as tf.Tensor, 1), classes), 'float32');
        const error = tf.sub(tf.softmax(savedLogits as tf.Tensor), target);
        return tf.mul(error, tf.expandDims(dy, -1));
      },
    };
  });
  return op(logits);
}

/** @throws RangeError if there are no classes to choose from. */
export function checkClasses(operation: string, argument: string, x: tf.Tensor, classes: number): void {
  if (classes > 0) return;
  throw new RangeError(`${operation}: '${argument}' must have at least one class, but got ${describe(x)}.`);
}

const fused: FusedOp = {
  forward: ([logits], [labels]) => {
    const [loss, logSumExp] = runKernel('SoftmaxCrossEntropy', { logits, labels });
    return { value: loss as tf.Tensor, extra: [logSumExp as tf.Tensor] };
  },
  backward: (dLoss, [logits], [labels], _, [logSumExp]) =>
    runKernel('SoftmaxCrossEntropyGrad', { logits, labels, logSumExp, dLoss }),
  composed: ([logits], [labels]) => composedCrossEntropy(logits as tf.Tensor, labels as tf.Tensor),
};

/**
 * The loss of each label in nats; not reduced.
 *
 * @param logits float32 [..., V].
 * @param labels int32 [...], in [0, V); others are the caller's error and are not checked, since a compiled program
 *   cannot look at values.
 * @returns float32 [...].
 */
export function softmaxCrossEntropy(logits: tf.Tensor, labels: tf.Tensor): tf.Tensor {
  checkTensor('softmaxCrossEntropy', 'logits', logits, {});
  checkTensor('softmaxCrossEntropy', 'labels', labels, { dtype: 'int32' });
  if (logits.rank < 1 || !tf.util.arraysEqual(logits.shape.slice(0, -1), labels.shape)) {
    throw new RangeError(
      `softmaxCrossEntropy: 'logits' must have shape [..., V] and 'labels' [...], but got logits ${describe(logits)}, labels ${describe(labels)}.`,
    );
  }
  const vocabulary = logits.shape[logits.rank - 1] as number;
  checkClasses('softmaxCrossEntropy', 'logits', logits, vocabulary);
  return tf.tidy(() => {
    // No row: no loss, and gradients of no size.
    if (labels.size === 0) return tf.sum(logits, -1);
    const matrix = tf.reshape(logits, [labels.size, vocabulary]);
    const flat = tf.reshape(labels, [labels.size]);
    const losses = hasKernel('SoftmaxCrossEntropy')
      ? runFused(fused, [matrix], [flat])
      : composedCrossEntropy(matrix, flat);
    return tf.reshape(losses, labels.shape);
  });
}
