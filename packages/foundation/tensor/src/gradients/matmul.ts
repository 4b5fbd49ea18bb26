/**
 * Gradient of the batched matrix product C = A B, each side perhaps transposed, with broadcast batch axes.
 *
 * dA = dC Bᵀ and dB = Aᵀ dC. A matrix shared by a whole batch, such as a weight, gets its gradient from one large
 * product over the flattened batch; a product per batch element followed by a sum would store the terms.
 */
import * as tf from '@tensorflow/tfjs-core';
import { gradient, unbroadcast } from './gradient.ts';

export const matmulGradients: tf.GradConfig[] = [
  gradient<tf.BatchMatMulAttrs>('BatchMatMul', { inputs: ['a', 'b'] }, (dy, [a, b], { transposeA, transposeB }) => ({
    a: () => {
      // A [..., M, K], B [..., K, N], dy [..., M, N]; the result takes the layout in which a side was given.
      const da = transposeA ? tf.matMul(b, dy, transposeB, true) : tf.matMul(dy, b, false, !transposeB);
      return unbroadcast(da, a.shape);
    },
    b: () => {
      if (!transposeA && isShared(b.shape) && a.rank === dy.rank) {
        const rows = flatRows(a); // [batch M, K]
        const columns = flatRows(dy); // [batch M, N]
        const db = transposeB ? tf.matMul(columns, rows, true, false) : tf.matMul(rows, columns, true, false);
        return tf.reshape(db, b.shape);
      }
      const db = transposeB ? tf.matMul(dy, a, true, transposeA) : tf.matMul(a, dy, !transposeA, false);
      return unbroadcast(db, b.shape);
    },
  })),
];

/** Whether all batch axes have size 1. */
const isShared = (shape: readonly number[]): boolean => shape.slice(0, -2).every((size) => size === 1);

/** [..., M, N] -> [... M, N] */
const flatRows = (x: tf.Tensor): tf.Tensor => tf.reshape(x, [-1, x.shape[x.rank - 1] ?? 1]);
