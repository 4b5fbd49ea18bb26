/**
 * Reading and adding rows by index on the WebAssembly backend: gather, scatter and segment sum, as copies of runs of the
 * heap. The backend's own gather takes 160 ns an element; it has no segment sum.
 */
import * as tf from '@tensorflow/tfjs-core';
import { integers, sizeOf, values, type KernelArgs } from './wasmBackend.ts';

/** The GatherV2 kernel. */
export function gather({ inputs, attrs, backend }: KernelArgs): tf.TensorInfo {
  const { x, indices } = inputs as { x: tf.TensorInfo; indices: tf.TensorInfo };
  const axis = tf.util.parseAxisParam(attrs['axis'] as number, x.shape)[0] ?? 0;
  const batchDims = (attrs['batchDims'] ?? 0) as number;
  const info = tf.backend_util.segment_util.collectGatherOpShapeInfo(
    x as tf.Tensor,
    indices as tf.Tensor,
    axis,
    batchDims,
  );
  const { batchSize, outerSize, dimSize, sliceSize, outputShape } = info;
  const out = backend.makeOutput(outputShape, x.dtype);
  if (sizeOf(outputShape) === 0) return out;
  const at = integers(backend, indices);
  const count = at.length / batchSize;
  for (const index of at) {
    if (index < 0 || index >= dimSize) {
      throw new Error(
        `GatherV2: the index value ${index} is not in [0, ${dimSize - 1}], the range of axis ${axis} of x with shape ` +
          `[${x.shape}].`,
      );
    }
  }
  const [from, to] = [values(backend, x), values(backend, out)];
  let write = 0;
  for (let batch = 0; batch < batchSize; batch++) {
    for (let outer = 0; outer < outerSize; outer++) {
      const start = (batch * outerSize + outer) * dimSize;
      for (let i = 0; i < count; i++, write += sliceSize) {
        const read = (start + (at[batch * count + i] as number)) * sliceSize;
        if (sliceSize === 1) to[write] = from[read] as number;
        else to.set(from.subarray(read, read + sliceSize), write);
      }
    }
  }
  return out;
}

/** The ScatterNd kernel: adds each row of `updates` at its index. An index outside the shape is an error. */
export function scatterNd({ inputs, attrs, backend }: KernelArgs): tf.TensorInfo {
  const { indices, updates } = inputs as { indices: tf.TensorInfo; updates: tf.TensorInfo };
  const shape = attrs['shape'] as number[];
  const out = backend.makeOutput(shape, updates.dtype);
  const info = tf.scatter_util.calculateShapes(updates, indices, shape);
  const { sliceRank, numUpdates, sliceSize, strides } = info;
  const to = values(backend, out);
  to.fill(0);
  if (sizeOf(shape) === 0) return out;
  const [at, from] = [integers(backend, indices), values(backend, updates)];
  for (let i = 0; i < numUpdates; i++) {
    let row = 0;
    for (let d = 0; d < sliceRank; d++) {
      const index = at[i * sliceRank + d] as number;
      if (index < 0 || index >= (shape[d] as number)) {
        throw new Error(`scatterND: expected index ${d} in [0, ${shape[d]}), received ${index}, for shape [${shape}].`);
      }
      row += index * (strides[d] as number);
    }
    addRow(from, i * sliceSize, to, row * sliceSize, sliceSize);
  }
  return out;
}

/** The UnsortedSegmentSum kernel: rows whose id lies outside [0, numSegments) are dropped. */
export function unsortedSegmentSum({ inputs, attrs, backend }: KernelArgs): tf.TensorInfo {
  const { x, segmentIds } = inputs as { x: tf.TensorInfo; segmentIds: tf.TensorInfo };
  const segments = attrs['numSegments'] as number;
  const rest = x.shape.slice(segmentIds.shape.length);
  const width = sizeOf(rest);
  const out = backend.makeOutput([segments, ...rest], x.dtype);
  const [from, to, ids] = [values(backend, x), values(backend, out), integers(backend, segmentIds)];
  to.fill(0);
  ids.forEach((id, i) => {
    if (id >= 0 && id < segments) addRow(from, i * width, to, id * width, width);
  });
  return out;
}

type Block = Float32Array | Int32Array | Uint8Array;

function addRow(from: Block, read: number, to: Block, write: number, width: number): void {
  for (let c = 0; c < width; c++) (to[write + c] as number) += from[read + c] as number;
}
