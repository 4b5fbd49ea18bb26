/**
 * Einstein summation as one batched matrix product: labels are batch (in both operands and the result), rows (only the
 * first), columns (only the second) or inner (summed). Labels that one operand has alone and the result lacks are summed
 * first. The WebAssembly backend has no such kernel; the CPU backend's is wrong for labels summed alone.
 */
import * as tf from '@tensorflow/tfjs-core';

interface Operand {
  readonly x: tf.Tensor;
  readonly labels: string;
}

/** Computes an einsum of one or two tensors with ops. Labels may not repeat within an operand. */
export function einsum(equation: string, tensors: readonly tf.Tensor[]): tf.Tensor {
  // Messages for malformed equations are those of TensorFlow.js.
  const { allDims, idDims } = tf.backend_util.decodeEinsumEquation(equation, tensors.length);
  tf.backend_util.checkEinsumDimSizes(allDims.length, idDims, tensors as tf.Tensor[]);
  const [left = '', output = ''] = equation.replaceAll(/\s/g, '').split('->');
  const terms = left.split(',');
  const operands = tensors.map((x, i): Operand =>
    sumAlone({ x, labels: terms[i] ?? '' }, output + terms.filter((_, j) => j !== i).join('')),
  );
  const [a, b] = operands as [Operand, Operand | undefined];
  if (b === undefined) return ordered(a, output);

  const batch = [...a.labels].filter((l) => b.labels.includes(l) && output.includes(l));
  const inner = [...a.labels].filter((l) => b.labels.includes(l) && !output.includes(l));
  const rows = [...a.labels].filter((l) => !b.labels.includes(l));
  const columns = [...b.labels].filter((l) => !a.labels.includes(l));
  const size = (label: string): number => {
    const { x, labels } = a.labels.includes(label) ? a : b;
    return x.shape[labels.indexOf(label)] ?? 1;
  };
  const product = (labels: readonly string[]): number => labels.reduce((n, label) => n * size(label), 1);
  const left3 = tf.reshape(ordered(a, [...batch, ...rows, ...inner].join('')), [
    product(batch),
    product(rows),
    product(inner),
  ]);
  const right3 = tf.reshape(ordered(b, [...batch, ...inner, ...columns].join('')), [
    product(batch),
    product(inner),
    product(columns),
  ]);
  const result = [...batch, ...rows, ...columns];
  const x = tf.reshape(tf.matMul(left3, right3), result.map(size));
  return ordered({ x, labels: result.join('') }, output);
}

function sumAlone({ x, labels }: Operand, elsewhere: string): Operand {
  const alone = [...labels].flatMap((label, axis) => (elsewhere.includes(label) ? [] : [axis]));
  if (alone.length === 0) return { x, labels };
  return { x: tf.sum(x, alone), labels: [...labels].filter((label) => elsewhere.includes(label)).join('') };
}

/** The operand with its axes in the order of `labels`. */
function ordered({ x, labels }: Operand, order: string): tf.Tensor {
  return tf.transpose(
    x,
    [...order].map((label) => labels.indexOf(label)),
  );
}
