/**
 * How much of a codebook is used, computed where the indices are: traceable, so a training step can log them.
 *
 * One batch underestimates a large codebook (it holds at most as many codes as tokens): for a figure to report, feed a
 * whole split to `CodebookStats`.
 */
import { tf } from '@tesserae/tensor';

/**
 * How often each code occurs.
 *
 * @param indices - int32 of any shape, each in `[0, codebookSize)`.
 * @returns float32 `[codebookSize]`.
 * @throws TypeError when indices are not int32, RangeError when codebookSize is no positive integer.
 */
export function codeCounts(indices: tf.Tensor, codebookSize: number): tf.Tensor1D {
  if (indices.dtype !== 'int32') {
    throw new TypeError(`codeCounts: indices must be int32, got ${indices.dtype}`);
  }
  checkSize('codeCounts', codebookSize);
  return tf.tidy(() => {
    const flat = tf.reshape(indices, [-1]) as tf.Tensor1D;
    return tf.unsortedSegmentSum(tf.ones([flat.size]), flat, codebookSize) as tf.Tensor1D;
  });
}

/**
 * The fraction of the codebook that occurs at all.
 *
 * @param indices - int32 of any shape, each in `[0, codebookSize)`.
 * @returns float32 scalar in `[0, 1]`.
 */
export function codebookUsage(indices: tf.Tensor, codebookSize: number): tf.Scalar {
  return tf.tidy(() => tf.mean(tf.cast(tf.greater(codeCounts(indices, codebookSize), 0), 'float32')) as tf.Scalar);
}

/**
 * The number of equally likely codes that would be as hard to guess: `exp(−Σ p log p)`, where `0 log 0 = 0`. Counts that
 * are all zero (a batch of nothing but padding) give 1.
 *
 * @param countsOrIndices - Counts or probabilities, float32 `[codebookSize]`; or, when `codebookSize` is given, int32
 *   indices of any shape.
 * @returns float32 scalar between 1 and the codebook size. (.5, .25, .25, 0) gives 2.828427.
 */
export function perplexity(countsOrIndices: tf.Tensor, codebookSize?: number): tf.Scalar {
  return tf.tidy(() => {
    const counts = codebookSize === undefined ? countsOrIndices : codeCounts(countsOrIndices, codebookSize);
    const p = tf.div(counts, tf.maximum(tf.sum(counts), 1e-30));
    const logP = tf.log(tf.maximum(p, 1e-30)); // 0 · log 1e-30 = 0
    return tf.exp(tf.neg(tf.sum(tf.mul(p, logP)))) as tf.Scalar;
  });
}

/** @throws RangeError when a codebook size is no positive integer. */
export function checkSize(operation: string, codebookSize: number): void {
  if (!Number.isSafeInteger(codebookSize) || codebookSize < 1) {
    throw new RangeError(`${operation}: codebookSize must be a positive integer, got ${codebookSize}`);
  }
}
