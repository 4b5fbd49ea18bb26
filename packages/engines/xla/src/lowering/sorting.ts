/** Kernels that order elements: top-k, and searching in sorted rows. */
import { convert, operations, reduce, broadcastInDim, compare, reshape } from '../graph/hlo.ts';
import type { Node } from '../graph/node.ts';
import type { KernelCall, Lowerings } from './kernel.ts';

/**
 * The k largest along the last axis in descending order, and their indices; equal ones by index. NaN counts as the
 * largest, as in NumPy and PyTorch (TensorFlow.js leaves its place open).
 */
function topK(x: Node, k: number): [values: Node, indices: Node] {
  const shape = [...x.shape.slice(0, -1), k];
  const results = [
    { type: x.type, shape },
    { type: 'i32', shape },
  ] as const;
  return operations('chlo.top_k', [x], results, `k = ${k} : i64`) as [Node, Node];
}

/** For each value of [B, M] the number of elements of the sorted rows [B, N] before its place: its insertion point. */
function searchSorted(call: KernelCall): Node {
  const { side } = call.attrs<{ side: 'left' | 'right' }>();
  const [sorted, values] = [call.node('sortedSequence'), call.node('values')];
  const [batch, length] = sorted.shape as [number, number];
  const count = values.shape[1] as number;
  const shape = [batch, count, length];
  const before = compare(
    side === 'left' ? 'LT' : 'LE',
    broadcastInDim(sorted, shape, [0, 2]),
    broadcastInDim(convert(values, sorted.type), shape, [0, 1]),
  );
  return reshape(reduce('add', convert(before, 'i32'), 0, [2]), [batch, count]);
}

/** See the file header. */
export const sorting: Lowerings = {
  TopK: (call) => topK(call.node('x'), call.attrs<{ k: number }>().k),
  SearchSorted: searchSorted,
};
