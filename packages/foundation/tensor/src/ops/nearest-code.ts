/**
 * The nearest code of each vector: the search inside every vector quantizer.
 *
 * |x - c|^2 = |x|^2 - 2 x.c + |c|^2, whose first term does not matter to the argmin. Engines may register a kernel
 * `NearestCode` ({ inputs: { x, codebook } } -> int32 [N]) that never writes the distance matrix; without it the rows
 * go through in chunks whose matrix stays under 16 MB. Always float32: a rounded distance picks another code.
 */
import * as tf from '@tensorflow/tfjs-core';
import { withPrecision } from '../precision.ts';
import { checkTensor, describe } from './check.ts';
import { withoutTape } from './without-tape.ts';

/** Largest distance matrix of the composed form, in bytes. */
const chunkBytes = 16 * 1024 * 1024;

function composed(x: tf.Tensor2D, codebook: tf.Tensor2D): tf.Tensor1D {
  const [rows, dim] = x.shape;
  const codes = codebook.shape[0];
  // [x, 1] times [-2 c; |c|^2]: one product gives the distances, with no further pass over the matrix.
  const squares = tf.sum(tf.square(codebook), 1, true); // [K, 1]
  const right = tf.transpose(tf.concat([tf.mul(codebook, -2), squares], 1)); // [D + 1, K]
  const nearest = (part: tf.Tensor2D): tf.Tensor1D =>
    tf.tidy(() => tf.argMin(tf.matMul(tf.concat([part, tf.ones([part.shape[0], 1])], 1), right), 1));
  const chunk = Math.max(1, Math.floor(chunkBytes / 4 / codes));
  if (rows <= chunk) return nearest(x);
  const parts: tf.Tensor1D[] = [];
  for (let start = 0; start < rows; start += chunk) {
    parts.push(nearest(tf.slice(x, [start, 0], [Math.min(chunk, rows - start), dim])));
  }
  return tf.concat(parts);
}

/**
 * For each row of `x` the index of the row of `codebook` at the smallest squared distance; the lowest index on ties.
 *
 * Has no gradient and blocks none: the result is a constant to the backward pass.
 *
 * @param x float32 [N, D].
 * @param codebook float32 [K, D].
 * @returns int32 [N].
 */
export function nearestCode(x: tf.Tensor, codebook: tf.Tensor): tf.Tensor1D {
  checkTensor('nearestCode', 'x', x, { ranks: [2], shape: ' [N, D]' });
  checkTensor('nearestCode', 'codebook', codebook, { ranks: [2], shape: ' [K, D]' });
  if (x.shape[1] !== codebook.shape[1] || codebook.shape[0] === 0) {
    throw new RangeError(
      `nearestCode: 'x' [N, D] and 'codebook' [K, D] must share D, with K at least 1, but got x ${describe(x)}, codebook ${describe(codebook)}.`,
    );
  }
  return withoutTape(() =>
    withPrecision('float32', () =>
      tf.getKernel('NearestCode', tf.getBackend()) == null
        ? composed(x as tf.Tensor2D, codebook as tf.Tensor2D)
        : (tf.engine().runKernel('NearestCode', { x, codebook } as {}) as tf.Tensor1D),
    ),
  );
}
