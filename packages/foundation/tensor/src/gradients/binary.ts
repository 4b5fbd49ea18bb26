/**
 * Gradients of functions of two operands with broadcasting. Each is computed in the shape of the result and summed over
 * the axes along which the operand was repeated.
 *
 * At a tie, `maximum` and `minimum` give the whole gradient to the first operand, as TensorFlow.js does.
 */
import * as tf from '@tensorflow/tfjs-core';
import { float, gradient, outputOr, unbroadcast, zeros } from './gradient.ts';

type Partial = (dy: tf.Tensor, a: tf.Tensor, b: tf.Tensor) => tf.Tensor;

/** A rule from the two partial derivatives, times dy, in the shape of the result. */
const binary = (kernelName: string, da: Partial, db: Partial): tf.GradConfig =>
  gradient(kernelName, { inputs: ['a', 'b'] }, (dy, [a, b]) => ({
    a: () => unbroadcast(da(dy, float(a), float(b)), a.shape),
    b: () => unbroadcast(db(dy, float(a), float(b)), b.shape),
  }));

/** A rule for a comparison or another function that is constant almost everywhere. */
const flat = (kernelName: string): tf.GradConfig =>
  gradient(kernelName, { inputs: ['a', 'b'] }, (_, [a, b]) => ({ a: () => zeros(a.shape), b: () => zeros(b.shape) }));

/** dy where the condition holds, else 0. */
const where = (condition: tf.Tensor, dy: tf.Tensor): tf.Tensor => tf.mul(dy, tf.cast(condition, 'float32'));

export const binaryGradients: tf.GradConfig[] = [
  binary(
    'Add',
    (dy) => dy,
    (dy) => dy,
  ),
  binary(
    'Sub',
    (dy) => dy,
    (dy) => tf.neg(dy),
  ),
  binary(
    'Multiply',
    (dy, _, b) => tf.mul(dy, b),
    (dy, a) => tf.mul(dy, a),
  ),
  binary(
    'RealDiv',
    (dy, _, b) => tf.div(dy, b),
    (dy, a, b) => tf.neg(tf.div(tf.mul(dy, a), tf.square(b))),
  ),
  binary(
    'SquaredDifference',
    (dy, a, b) => tf.mul(dy, tf.mul(tf.sub(a, b), 2)),
    (dy, a, b) => tf.mul(dy, tf.mul(tf.sub(b, a), 2)),
  ),
  binary(
    'Maximum',
    (dy, a, b) => where(tf.greaterEqual(a, b), dy),
    (dy, a, b) => where(tf.less(a, b), dy),
  ),
  binary(
    'Minimum',
    (dy, a, b) => where(tf.lessEqual(a, b), dy),
    (dy, a, b) => where(tf.greater(a, b), dy),
  ),
  // Whole-number division of floats is flat. For integers it is what tf.div runs, and TensorFlow.js differentiates it as
  // the division that it rounds.
  gradient('FloorDiv', { inputs: ['a', 'b'] }, (dy, [a, b]) => {
    const integer = a.dtype !== 'float32';
    const quotient = (): tf.Tensor => tf.div(float(a), tf.square(float(b)));
    return {
      a: () => (integer ? unbroadcast(tf.div(dy, float(b)), a.shape) : zeros(a.shape)),
      b: () => (integer ? unbroadcast(tf.neg(tf.mul(dy, quotient())), b.shape) : zeros(b.shape)),
    };
  }),
  // mod(a, b) = a - b floor(a / b)
  binary(
    'Mod',
    (dy) => dy,
    (dy, a, b) => tf.neg(tf.mul(dy, tf.floor(tf.div(a, b)))),
  ),
  binary(
    'Atan2',
    (dy, a, b) => tf.mul(dy, tf.div(b, tf.add(tf.square(a), tf.square(b)))),
    (dy, a, b) => tf.neg(tf.mul(dy, tf.div(a, tf.add(tf.square(a), tf.square(b))))),
  ),
  gradient('Pow', { inputs: ['a', 'b'], outputs: [true] }, (dy, [a, b, y]) => ({
    // b a^(b - 1)
    a: () => {
      const base = float(a);
      const exponent = float(b);
      return unbroadcast(tf.mul(dy, tf.mul(exponent, tf.pow(base, tf.sub(exponent, 1)))), a.shape);
    },
    // a^b log a, and 0 where the logarithm is undefined: there the power is defined for isolated exponents only.
    b: () => {
      const base = float(a);
      const positive = tf.greater(base, 0);
      const log = tf.where(positive, tf.log(tf.where(positive, base, tf.onesLike(base))), tf.zerosLike(base));
      const power = outputOr(y, () => tf.pow(base, float(b)));
      return unbroadcast(tf.mul(dy, tf.mul(power, log)), b.shape);
    },
  })),
  gradient('AddN', { all: true }, (dy, saved) => Object.fromEntries(saved.map((_, i) => [String(i), () => dy]))),
  // tf.where broadcasts its operands before the kernel, so all three have the shape of dy. The condition is boolean; the
  // tape asks for its gradient only when it was computed from an input.
  gradient('Select', { inputs: ['condition'] }, (dy, [condition]) => ({
    condition: () => zeros(condition.shape),
    t: () => where(condition, dy),
    e: () => where(tf.logicalNot(condition), dy),
  })),
  ...['Equal', 'NotEqual', 'Greater', 'GreaterEqual', 'Less', 'LessEqual', 'LogicalAnd', 'LogicalOr', 'LogicalXor'].map(
    flat,
  ),
];
