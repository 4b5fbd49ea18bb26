/**
 * Einsum of one or two operands as one dot_general: labels in both operands and the result are batch dimensions, labels
 * in both operands alone are contracted, and labels of one operand alone are summed first.
 */
import { tf } from '@tesserae/tensor';
import { convert, dotGeneral, reduce, transpose } from '../graph/hlo.ts';
import type { Node } from '../graph/node.ts';
import { productOperands } from './kernel.ts';
import type { KernelCall, Lowerings } from './kernel.ts';

/** An operand and its labels, one a dimension. */
interface Labelled {
  readonly node: Node;
  readonly labels: readonly string[];
}

/** Sums labels away that are not in `kept`. */
function sumOthers({ node, labels }: Labelled, kept: readonly string[]): Labelled {
  const summed = labels.flatMap((label, i) => (kept.includes(label) ? [] : [i]));
  return { node: reduce('add', node, 0, summed), labels: labels.filter((label) => kept.includes(label)) };
}

function product(a: Labelled, b: Labelled, result: readonly string[]): Labelled {
  const shared = a.labels.filter((label) => b.labels.includes(label));
  const batch = shared.filter((label) => result.includes(label));
  const contracted = shared.filter((label) => !result.includes(label));
  const positions = (x: Labelled, labels: readonly string[]): number[] =>
    labels.map((label) => x.labels.indexOf(label));
  const free = (x: Labelled): string[] => x.labels.filter((label) => !shared.includes(label));
  const operands = productOperands(a.node, b.node);
  const dims = {
    lhsBatch: positions(a, batch),
    rhsBatch: positions(b, batch),
    lhsContract: positions(a, contracted),
    rhsContract: positions(b, contracted),
  };
  const node = dotGeneral(operands.a, operands.b, dims, operands.precision, a.node.type);
  return { node, labels: [...batch, ...free(a), ...free(b)] };
}

function einsum(call: KernelCall): Node {
  const { equation } = call.attrs<{ equation: string }>();
  const operands = call.list();
  // Checks the equation and the sizes, and throws TensorFlow.js's errors.
  const { allDims, idDims } = tf.backend_util.decodeEinsumEquation(equation, operands.length);
  const infos = operands.map(({ shape }) => ({ shape: [...shape] }) as tf.Tensor);
  tf.backend_util.checkEinsumDimSizes(allDims.length, idDims, infos);
  const [left, right] = equation.replace(/\s/g, '').split('->') as [string, string];
  const result = [...right];
  const labelled = left.split(',').map((labels, i): Labelled => ({ node: operands[i] as Node, labels: [...labels] }));
  const [a, b] = labelled as [Labelled, Labelled | undefined];
  const other = (x: Labelled | undefined): string[] => [...(x?.labels ?? []), ...result];
  let value = sumOthers(a, other(b));
  if (b !== undefined) {
    const type = a.node.type === 'f32' || b.node.type === 'f32' ? 'f32' : a.node.type === 'i1' ? 'i32' : a.node.type;
    const as = (x: Labelled): Labelled => ({ node: convert(x.node, type), labels: x.labels });
    value = product(as(value), as(sumOthers(b, other(a))), result);
  }
  return transpose(
    value.node,
    result.map((label) => value.labels.indexOf(label)),
  );
}

/** See the file header. */
export const einsums: Lowerings = { Einsum: einsum };
