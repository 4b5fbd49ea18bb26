/** Counting and sparse writing: histograms, sparse to dense, diagonals. */
import { broadcastTo } from '../graph/broadcast.ts';
import { replacer, scatter, scatterAddRows } from '../graph/gather.ts';
import {
  broadcastInDim,
  combiner,
  compare,
  concatenate,
  constant,
  convert,
  iota,
  reshape,
  select,
} from '../graph/hlo.ts';
import type { Node } from '../graph/node.ts';
import type { KernelCall, Lowerings } from './kernel.ts';
import { scatterInto } from './indexing.ts';

/** Weights of the elements of x, ones if none are given. */
function weightsOf(call: KernelCall, x: Node): Node {
  const weights = call.node('weights');
  return weights.size === 0 ? constant(1, weights.type, x.shape) : weights;
}

/** Weighted counts of values 0 … size - 1; larger values are left out. x [N] -> [size]. */
function bincount(call: KernelCall): Node {
  const { size } = call.attrs<{ size: number }>();
  const x = convert(call.node('x'), 'i32');
  const weights = weightsOf(call, x);
  return scatterAddRows(constant(0, weights.type, [size]), reshape(x, [x.size, 1]), reshape(weights, [x.size]));
}

/** The same for each row: x [N, M] -> [N, size]; or 1 for each value that occurs. */
function denseBincount(call: KernelCall): Node {
  const { size, binaryOutput } = call.attrs<{ size: number; binaryOutput: boolean }>();
  const x = convert(call.node('x'), 'i32');
  if (x.shape.length === 1) return bincount(call);
  const weights = binaryOutput ? constant(1, call.node('weights').type, x.shape) : weightsOf(call, x);
  const positions = [iota('i32', x.shape, 0), x].map((index) => reshape(index, [x.size, 1]));
  const indices = concatenate(positions, 1); // [N M, 2]
  const combine = binaryOutput ? replacer(weights.type) : combiner('add', weights.type);
  const target = constant(0, weights.type, [x.shape[0] as number, size]);
  const numbers = 'inserted_window_dims = [0, 1], scatter_dims_to_operand_dims = [0, 1], index_vector_dim = 1';
  return scatter(target, indices, reshape(weights, [x.size]), numbers, combine);
}

function sparseToDense(call: KernelCall): Node {
  const { outputShape } = call.attrs<{ outputShape: number[] }>();
  const values = call.node('sparseValues');
  const target = broadcastTo(convert(call.node('defaultValue'), values.type), outputShape);
  return scatterInto(target, call.node('sparseIndices'), values, replacer(values.type));
}

function diagonal(call: KernelCall): Node {
  const x = call.node('x');
  const shape = [x.size, x.size];
  const on = compare('EQ', iota('i32', shape, 0), iota('i32', shape, 1));
  const spread = broadcastInDim(reshape(x, [x.size]), shape, [0]);
  return reshape(select(on, spread, constant(0, x.type, shape)), [...x.shape, ...x.shape]);
}

/** See the file header. */
export const counting: Lowerings = {
  Bincount: bincount,
  DenseBincount: denseBincount,
  SparseToDense: sparseToDense,
  Diag: diagonal,
};
