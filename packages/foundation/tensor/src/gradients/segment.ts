/**
 * Gradients of reading and writing at indices: a gather's gradient is a scatter that adds, and the reverse.
 *
 * Sums go through the ScatterNd kernel, which adds at repeated indices. The UnsortedSegmentSum kernel of the CPU backend
 * costs numSegments passes over its input, so an embedding of 8192 rows would take minutes.
 */
import * as tf from '@tensorflow/tfjs-core';
import { axesOf, gradient, gradientOfList, zeros } from './gradient.ts';

/** sum over i with indices[i] = n of rows[i]. Shapes: indices [I], rows [I, ...] -> [size, ...]. */
function scatterAdd(indices: tf.Tensor, rows: tf.Tensor, size: number): tf.Tensor {
  return tf.scatterND(tf.reshape(indices, [-1, 1]), rows, [size, ...rows.shape.slice(1)]);
}

export const segmentGradients: tf.GradConfig[] = [
  gradient<tf.GatherV2Attrs>('GatherV2', { inputs: ['x', 'indices'] }, (dy, [x, indices], attributes) => ({
    x: () => gatherGradient(dy, x.shape, indices, attributes),
    indices: () => zeros(indices.shape),
  })),
  gradient('GatherNd', { inputs: ['params', 'indices'] }, (dy, [params, indices]) => ({
    params: () => tf.scatterND(indices, dy, params.shape),
    indices: () => zeros(indices.shape),
  })),
  gradient('ScatterNd', { inputs: ['indices', 'updates'] }, (dy, [indices, updates]) => ({
    indices: () => zeros(indices.shape),
    updates: () => tf.reshape(tf.gatherND(dy, indices), updates.shape),
  })),
  // Where an index repeats, which update wins is not defined, and neither is its gradient: each gets the whole of dy.
  gradient('TensorScatterUpdate', { inputs: ['indices', 'updates'] }, (dy, [indices, updates]) => ({
    tensor: () => tf.tensorScatterUpdate(dy, indices, zeros(updates.shape)),
    indices: () => zeros(indices.shape),
    updates: () => tf.gatherND(dy, indices),
  })),
  gradient('SparseToDense', { inputs: ['sparseIndices', 'sparseValues'] }, (dy, [indices, values]) => {
    const read = (): tf.Tensor => {
      const rank = dy.rank;
      return tf.reshape(tf.gatherND(dy, tf.reshape(indices, [-1, rank])), [-1]);
    };
    return {
      sparseIndices: () => zeros(indices.shape),
      sparseValues: () => (values.rank === 0 ? tf.sum(read()) : tf.reshape(read(), values.shape)),
      defaultValue: () => tf.sub(tf.sum(dy), tf.sum(read())),
    };
  }),
  gradient<tf.UnsortedSegmentSumAttrs>(
    'UnsortedSegmentSum',
    { inputs: ['segmentIds'] },
    (dy, [segmentIds], { numSegments }) => ({
      x: () => {
        // Rows with an id outside the range were dropped.
        const safe = tf.clipByValue(tf.cast(segmentIds, 'float32'), 0, numSegments - 1);
        const ids = tf.cast(safe, 'int32');
        const rows = tf.gather(dy, tf.reshape(ids, [-1])); // [I, ...]
        const kept = tf.cast(tf.equal(tf.reshape(segmentIds, [-1]), tf.reshape(ids, [-1])), 'float32');
        const mask = tf.reshape(kept, [-1, ...Array<number>(dy.rank - 1).fill(1)]);
        return tf.reshape(tf.mul(rows, mask), [...segmentIds.shape, ...dy.shape.slice(1)]);
      },
      segmentIds: () => zeros(segmentIds.shape),
    }),
  ),
  gradient('SparseSegmentSum', { inputs: ['data', 'indices', 'segmentIds'] }, (dy, [data, indices, segmentIds]) => ({
    data: () => scatterAdd(indices, tf.gather(dy, segmentIds), data.shape[0] ?? 0),
  })),
  gradient('SparseSegmentMean', { inputs: ['data', 'indices', 'segmentIds'] }, (dy, [data, indices, segmentIds]) => ({
    data: () => {
      const counts = scatterAdd(segmentIds, tf.onesLike(tf.cast(segmentIds, 'float32')), dy.shape[0] ?? 0);
      const weights = tf.gather(tf.div(1, tf.maximum(counts, 1)), segmentIds);
      const spread = tf.reshape(weights, [-1, ...Array<number>(dy.rank - 1).fill(1)]);
      return scatterAdd(indices, tf.mul(tf.gather(dy, segmentIds), spread), data.shape[0] ?? 0);
    },
  })),
  gradientOfList<tf.TopKAttrs>('TopK', { inputs: ['x'], outputs: [false, true] }, ([dy], [x, indices]) => ({
    x: () => {
      if (dy === undefined) return zeros(x.shape);
      const n = x.shape[x.rank - 1] ?? 1;
      const k = indices.shape[indices.rank - 1] ?? 1;
      const rows = x.size / n;
      const flat = tf.add(tf.reshape(indices, [rows, k]), rowOffsets(rows, n)); // [rows, k]
      return tf.reshape(scatterAdd(flat, tf.reshape(dy, [-1]), x.size), x.shape);
    },
  })),
];

/** 0, n, 2n, … as a column int32 [rows, 1]. */
const rowOffsets = (rows: number, n: number): tf.Tensor =>
  tf.tensor2d(
    Array.from({ length: rows }, (_, row) => row * n),
    [rows, 1],
    'int32',
  );

/**
 * Scatters dy back to where gather read it.
 *
 * Shapes, with B batch axes, M those before `axis`, N the size along it, R the rest and I the indices':
 * x [B, M, N, R], indices [B, I], dy [B, M, I, R] -> [B, M, N, R].
 */
function gatherGradient(
  dy: tf.Tensor,
  shape: readonly number[],
  indices: tf.Tensor,
  attributes: tf.GatherV2Attrs,
): tf.Tensor {
  const axis = axesOf(attributes.axis, shape.length)[0] ?? 0;
  const batchDims = attributes.batchDims ?? 0;
  const product = (sizes: readonly number[]): number => sizes.reduce((a, b) => a * b, 1);
  const batch = product(shape.slice(0, batchDims));
  const middle = product(shape.slice(batchDims, axis));
  const size = shape[axis] ?? 1;
  const rest = product(shape.slice(axis + 1));
  const count = product(indices.shape.slice(batchDims));

  const split = tf.reshape(dy, [batch, middle, count, rest]);
  const rows = tf.reshape(middle === 1 ? split : tf.transpose(split, [0, 2, 1, 3]), [batch * count, middle * rest]);
  const ids = batch === 1 ? indices : tf.add(tf.reshape(indices, [batch, count]), rowOffsets(batch, size)); // rows of [B N, ...]
  const summed = tf.reshape(scatterAdd(ids, rows, batch * size), [batch, size, middle, rest]);
  return tf.reshape(middle === 1 ? summed : tf.transpose(summed, [0, 2, 1, 3]), [...shape]);
}
