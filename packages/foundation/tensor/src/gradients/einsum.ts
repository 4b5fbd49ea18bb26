/**
 * Gradient of einsum, which TensorFlow.js does not differentiate.
 *
 * For an operand with labels L: the einsum of dy and the other operand over the labels of L that they hold, repeated
 * along the labels that only this operand has (it was summed over those on its own).
 */
import * as tf from '@tensorflow/tfjs-core';
import { gradient } from './gradient.ts';

export const einsumGradients: tf.GradConfig[] = [
  gradient<tf.EinsumAttrs>('Einsum', { all: true }, (dy, saved, { equation }) => {
    const [left = '', output = ''] = equation.replaceAll(/\s/g, '').split('->');
    const labels = left.split(',');
    return Object.fromEntries(
      saved.map((operand, i) => [
        String(i),
        () => {
          const own = labels[i] ?? '';
          const rest = saved.flatMap((x, j) => (j === i ? [] : [sumAlone(x, labels[j] ?? '', output + own)]));
          const others = rest.map(({ x }) => x);
          const otherLabels = rest.map(({ kept }) => kept);
          const available = [output, ...otherLabels].join('');
          const held = [...own].filter((label) => available.includes(label)).join('');
          const terms = [output, ...otherLabels].join(',');
          const partial = tf.einsum(`${terms}->${held}`, dy, ...others);
          return repeatAlong(partial, held, own, operand.shape);
        },
      ]),
    );
  }),
];

/** Sums over the labels that no other operand nor the output has; the CPU backend's einsum gets those wrong. */
function sumAlone(x: tf.Tensor, labels: string, elsewhere: string): { x: tf.Tensor; kept: string } {
  const alone = [...labels].flatMap((label, axis) => (elsewhere.includes(label) ? [] : [axis]));
  if (alone.length === 0) return { x, kept: labels };
  return { x: tf.sum(x, alone), kept: [...labels].filter((label) => elsewhere.includes(label)).join('') };
}

/** Shapes: x with axes `held` -> axes `own` of sizes `shape`, repeated along the labels that `held` lacks. */
function repeatAlong(x: tf.Tensor, held: string, own: string, shape: readonly number[]): tf.Tensor {
  if (held === own) return x;
  const kept = [...own].map((label, axis) => (held.includes(label) ? (shape[axis] ?? 1) : 1));
  const reps = [...own].map((label, axis) => (held.includes(label) ? 1 : (shape[axis] ?? 1)));
  return tf.tile(tf.reshape(x, kept), reps);
}
