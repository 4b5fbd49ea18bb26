/** Kernels that pick elements by indices or write to them: gathering, scattering, sums of segments. */
import { tf } from '@tesserae/tensor';
import { broadcastTo } from '../graph/broadcast.ts';
import { gather, replacer, scatter, scatterAddRows, take } from '../graph/gather.ts';
import { add, combiner, constant, convert, iota, multiply, reshape, transpose } from '../graph/hlo.ts';
import { sizeOf } from '../graph/node.ts';
import type { Node } from '../graph/node.ts';
import { normalizeAxes, range } from './kernel.ts';
import type { KernelCall, Lowerings } from './kernel.ts';

/**
 * Indices that came from the host and are still there are checked, as TensorFlow.js does. Those that the device computed
 * are not: it would mean waiting for them at every gather. Out of bounds, they take the nearest element.
 */
function checkIndices({ host }: Node, size: number): void {
  const wrong = host?.find((index) => index < 0 || index >= size);
  if (wrong !== undefined) {
    throw new RangeError(
      `GatherV2: the index value ${wrong} is not in [0, ${size - 1}]. Indices must be positions along the gathered axis, which has ${size} elements.`,
    );
  }
}

function gatherV2(call: KernelCall): Node {
  const { axis, batchDims } = call.attrs<{ axis: number; batchDims: number }>();
  const x = call.node('x');
  const given = call.node('indices');
  const indices = convert(given, 'i32');
  const along = normalizeAxes(axis, x.shape.length)[0] as number;
  checkIndices(given, x.shape[along] as number);
  tf.backend_util.segment_util.collectGatherOpShapeInfo(
    call.inputs['x'] as tf.Tensor,
    call.inputs['indices'] as tf.Tensor,
    along,
    batchDims,
  );
  if (batchDims === 0) return take(x, indices, along);
  // With batch dimensions: rows of the flattened [batch, …] array at batch * size + index.
  const batchShape = x.shape.slice(0, batchDims);
  const batch = sizeOf(batchShape);
  const outer = x.shape.slice(batchDims, along);
  const size = x.shape[along] as number;
  const inner = x.shape.slice(along + 1);
  const picked = indices.shape.slice(batchDims);
  const rank = 1 + outer.length + 1 + inner.length;
  const moved = transpose(reshape(x, [batch, ...outer, size, ...inner]), [
    0,
    1 + outer.length,
    ...range(1, 1 + outer.length),
    ...range(2 + outer.length, rank),
  ]);
  const rows = reshape(moved, [batch * size, ...outer, ...inner]);
  const flat = reshape(indices, [batch, sizeOf(picked)]);
  const offsets = multiply(iota('i32', flat.shape, 0), constant(size, 'i32', flat.shape));
  const taken = take(rows, add(flat, offsets), 0); // [batch, picked, outer…, inner…]
  const count = outer.length;
  const ordered = transpose(taken, [0, ...range(2, 2 + count), 1, ...range(2 + count, taken.shape.length)]);
  return reshape(ordered, [...batchShape, ...outer, ...picked, ...inner]);
}

/** Index rows [n, depth] and the shape of the updates for the ND kernels. */
function flatIndices(indices: Node): { rows: Node; depth: number; count: number } {
  const depth = indices.shape[indices.shape.length - 1] as number;
  const count = sizeOf(indices.shape.slice(0, -1));
  return { rows: reshape(convert(indices, 'i32'), [count, depth]), depth, count };
}

function gatherNd(call: KernelCall): Node {
  // Throws TensorFlow.js's errors.
  tf.gather_util.prepareAndValidate(call.inputs['params'] as tf.TensorInfo, call.inputs['indices'] as tf.TensorInfo);
  const params = call.node('params');
  const indices = call.node('indices');
  const { rows, depth, count } = flatIndices(indices);
  const rest = params.shape.slice(depth);
  const offsets = rest.map((_, i) => i + 1);
  const numbers =
    `offset_dims = [${offsets.join(', ')}], collapsed_slice_dims = [${range(0, depth).join(', ')}], ` +
    `start_index_map = [${range(0, depth).join(', ')}], index_vector_dim = 1`;
  const sizes = [...Array<number>(depth).fill(1), ...rest];
  const result = gather(params, rows, numbers, sizes, [count, ...rest]);
  return reshape(result, [...indices.shape.slice(0, -1), ...rest]);
}

/** Writes updates [N…, rest] into a target at indices [N…, depth], combined by a region; indices outside are dropped. */
export function scatterInto(target: Node, given: Node, updates: Node, combine: string): Node {
  // A scalar or a list of indices is for single rows.
  const indices = given.shape.length < 2 ? reshape(given, [given.size, 1]) : given;
  const { rows, depth, count } = flatIndices(indices);
  const rest = target.shape.slice(depth);
  const rowsOfUpdates = [count, ...rest];
  const numbers =
    `update_window_dims = [${rest.map((_, i) => i + 1).join(', ')}], inserted_window_dims = [${range(0, depth).join(', ')}], ` +
    `scatter_dims_to_operand_dims = [${range(0, depth).join(', ')}], index_vector_dim = 1`;
  // A scalar is written everywhere.
  const values = updates.shape.length === 0 ? broadcastTo(updates, rowsOfUpdates) : reshape(updates, rowsOfUpdates);
  return scatter(target, rows, values, numbers, combine);
}

function unsortedSegmentSum(call: KernelCall): Node {
  const { numSegments } = call.attrs<{ numSegments: number }>();
  const x = call.node('x');
  const ids = convert(call.node('segmentIds'), 'i32');
  const rest = x.shape.slice(ids.shape.length);
  const rows = reshape(x, [sizeOf(ids.shape), ...rest]);
  return scatterAddRows(constant(0, x.type, [numSegments, ...rest]), reshape(ids, [sizeOf(ids.shape), 1]), rows);
}

/** See the file header. */
export const indexing: Lowerings = {
  GatherV2: gatherV2,
  GatherNd: gatherNd,
  ScatterNd: (call) => {
    const { shape } = call.attrs<{ shape: number[] }>();
    const updates = call.node('updates');
    return scatterInto(constant(0, updates.type, shape), call.node('indices'), updates, combiner('add', updates.type));
  },
  TensorScatterUpdate: (call) => {
    const tensor = call.node('tensor');
    return scatterInto(tensor, call.node('indices'), call.node('updates'), replacer(tensor.type));
  },
  UnsortedSegmentSum: unsortedSegmentSum,
};
