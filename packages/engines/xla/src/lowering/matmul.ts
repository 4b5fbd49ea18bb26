/** Matrix products. */
import { apply, broadcastShape, broadcastTo } from '../graph/broadcast.ts';
import { convert, dotGeneral, reshape, transpose } from '../graph/hlo.ts';
import type { Node } from '../graph/node.ts';
import { activate } from './elementwise.ts';
import { productOperands } from './kernel.ts';
import type { KernelCall, Lowerings } from './kernel.ts';

interface MatMulAttributes {
  readonly transposeA: boolean;
  readonly transposeB: boolean;
  readonly activation?: string;
  readonly leakyreluAlpha?: number;
}

function checkShapes(a: Node, b: Node, transposeA: boolean, transposeB: boolean): void {
  const describe = (x: Node, transposed: boolean): string =>
    `[${x.shape.join(', ')}]${transposed ? ' transposed' : ''}`;
  const inner = [a.shape.at(transposeA ? -2 : -1), b.shape.at(transposeB ? -1 : -2)];
  if (a.shape.length < 2 || b.shape.length < 2 || inner[0] !== inner[1]) {
    throw new Error(
      `matMul: 'a' [..., m, k] and 'b' [..., k, n] must share k, but got a ${describe(a, transposeA)}, b ${describe(b, transposeB)}.`,
    );
  }
}

/** [..., m, k] x [..., k, n] with broadcast batch dimensions; float32 accumulation whatever the operands. */
function batchMatMul(call: KernelCall, transposeA: boolean, transposeB: boolean): Node {
  const [a, b] = [call.node('a'), call.node('b')];
  const rank = Math.max(a.shape.length, b.shape.length);
  checkShapes(a, b, transposeA, transposeB);
  const lift = (x: Node): Node =>
    x.shape.length === rank ? x : reshape(x, [...Array<number>(rank - x.shape.length).fill(1), ...x.shape]);
  let [left, right] = [lift(a), lift(b)];
  const batch = broadcastShape(left.shape.slice(0, -2), right.shape.slice(0, -2));
  left = broadcastTo(left, [...batch, ...left.shape.slice(-2)]);
  right = broadcastTo(right, [...batch, ...right.shape.slice(-2)]);
  const type = left.type === 'i1' ? 'i32' : left.type === 'bf16' ? 'f32' : left.type;
  const operands = productOperands(convert(left, type), convert(right, type));
  const batchDimensions = batch.map((_, i) => i);
  const onCpu = call.backend.client.platform === 'cpu';
  if (onCpu && transposeA && !transposeB && batch.some((size) => size > 1)) {
    // aᵀ b as (bᵀ a)ᵀ: a batch whose left side is contracted along its rows has no fast kernel on the CPU.
    const swap = [...batchDimensions, rank - 1, rank - 2];
    const rows = {
      lhsBatch: batchDimensions,
      rhsBatch: batchDimensions,
      lhsContract: [rank - 1],
      rhsContract: [rank - 2],
    };
    return transpose(dotGeneral(transpose(operands.b, swap), operands.a, rows, operands.precision, type), swap);
  }
  const dims = {
    lhsBatch: batchDimensions,
    rhsBatch: batchDimensions,
    lhsContract: [transposeA ? rank - 2 : rank - 1],
    rhsContract: [transposeB ? rank - 1 : rank - 2],
  };
  return dotGeneral(operands.a, operands.b, dims, operands.precision, type);
}

function fused(call: KernelCall): Node {
  const { transposeA, transposeB, activation = 'linear', leakyreluAlpha } = call.attrs<MatMulAttributes>();
  let result = batchMatMul(call, transposeA, transposeB);
  if (call.has('bias')) result = apply('add', result, call.node('bias'));
  const alpha = call.has('preluActivationWeights') ? call.node('preluActivationWeights') : undefined;
  return activate(result, activation, alpha, leakyreluAlpha);
}

/** See the file header. */
export const products: Lowerings = {
  BatchMatMul: (call) => {
    const { transposeA, transposeB } = call.attrs<MatMulAttributes>();
    return batchMatMul(call, transposeA, transposeB);
  },
  _FusedMatMul: fused,
};
