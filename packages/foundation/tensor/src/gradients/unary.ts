/**
 * Gradients of functions of one variable, applied to each element.
 *
 * Each line is the derivative. Where the value itself makes the derivative cheap (exp, tanh, …) it is taken from the
 * forward pass. At a kink the value follows TensorFlow.js: relu'(0) = 0, clip' = 1 on the closed interval; |x|' at 0 is 0.
 * Functions that are flat almost everywhere get a gradient of zero.
 */
import * as tf from '@tensorflow/tfjs-core';
import { float, gradient, outputOr, zeros } from './gradient.ts';

type Derivative = (dy: tf.Tensor, x: tf.Tensor) => tf.Tensor;

/** A rule whose derivative is a function of the input. */
const ofInput = (kernelName: string, derivative: Derivative): tf.GradConfig =>
  gradient(kernelName, { inputs: ['x'] }, (dy, [x]) => ({ x: () => derivative(dy, float(x)) }));

/** A rule whose derivative is a function of the output `y = forward(x)`. */
const ofOutput = (kernelName: string, forward: (x: tf.Tensor) => tf.Tensor, derivative: Derivative): tf.GradConfig =>
  gradient(kernelName, { inputs: ['x'], outputs: [true] }, (dy, [x, y]) => ({
    x: () =>
      derivative(
        dy,
        outputOr(y, () => forward(float(x))),
      ),
  }));

/** A rule for a function that is constant almost everywhere. */
const flat = (kernelName: string): tf.GradConfig => gradient(kernelName, {}, (dy) => ({ x: () => zeros(dy.shape) }));

const twoOverRootPi = 2 / Math.sqrt(Math.PI);

export const unaryGradients: tf.GradConfig[] = [
  // Powers, exponentials and logarithms.
  ofInput('Abs', (dy, x) => tf.mul(dy, tf.sign(x))),
  ofOutput('Exp', tf.exp, (dy, y) => tf.mul(dy, y)),
  ofOutput('Expm1', tf.expm1, (dy, y) => tf.mul(dy, tf.add(y, 1))),
  ofInput('Log', (dy, x) => tf.div(dy, x)),
  ofInput('Log1p', (dy, x) => tf.div(dy, tf.add(x, 1))),
  ofInput('Neg', (dy) => tf.neg(dy)),
  ofOutput('Reciprocal', tf.reciprocal, (dy, y) => tf.neg(tf.mul(dy, tf.square(y)))),
  ofOutput('Rsqrt', tf.rsqrt, (dy, y) => tf.mul(dy, tf.mul(tf.mul(y, tf.square(y)), -0.5))),
  ofOutput('Sqrt', tf.sqrt, (dy, y) => tf.div(dy, tf.mul(y, 2))),
  ofInput('Square', (dy, x) => tf.mul(dy, tf.mul(x, 2))),

  // Trigonometric and hyperbolic functions.
  ofInput('Acos', (dy, x) => tf.neg(tf.div(dy, tf.sqrt(tf.sub(1, tf.square(x)))))),
  ofInput('Acosh', (dy, x) => tf.div(dy, tf.sqrt(tf.sub(tf.square(x), 1)))),
  ofInput('Asin', (dy, x) => tf.div(dy, tf.sqrt(tf.sub(1, tf.square(x))))),
  ofInput('Asinh', (dy, x) => tf.div(dy, tf.sqrt(tf.add(tf.square(x), 1)))),
  ofInput('Atan', (dy, x) => tf.div(dy, tf.add(tf.square(x), 1))),
  ofInput('Atanh', (dy, x) => tf.div(dy, tf.sub(1, tf.square(x)))),
  ofInput('Cos', (dy, x) => tf.neg(tf.mul(dy, tf.sin(x)))),
  ofInput('Cosh', (dy, x) => tf.mul(dy, tf.sinh(x))),
  ofInput('Sin', (dy, x) => tf.mul(dy, tf.cos(x))),
  ofInput('Sinh', (dy, x) => tf.mul(dy, tf.cosh(x))),
  ofOutput('Tan', tf.tan, (dy, y) => tf.mul(dy, tf.add(tf.square(y), 1))),
  ofOutput('Tanh', tf.tanh, (dy, y) => tf.mul(dy, tf.sub(1, tf.square(y)))),
  ofInput('Erf', (dy, x) => tf.mul(dy, tf.mul(tf.exp(tf.neg(tf.square(x))), twoOverRootPi))),

  // A copy, and a change of dtype. A cast to int32 or bool hands its gradient through: TensorFlow.js does, and casts
  // that make a gradient float32 rely on it.
  gradient('Identity', {}, (dy) => ({ x: () => float(dy) })),
  gradient('Cast', {}, (dy) => ({ x: () => float(dy) })),

  // A selection of the elements inside the interval.
  gradient<tf.ClipByValueAttrs>('ClipByValue', { inputs: ['x'] }, (dy, [x], { clipValueMin, clipValueMax }) => ({
    x: () => {
      const inside = tf.logicalAnd(tf.greaterEqual(x, clipValueMin), tf.lessEqual(x, clipValueMax));
      return tf.mul(dy, tf.cast(inside, 'float32'));
    },
  })),

  ...[
    'Ceil',
    'Floor',
    'Round',
    'Sign',
    'Step',
    'IsFinite',
    'IsInf',
    'IsNan',
    'LogicalNot',
    'OnesLike',
    'ZerosLike',
  ].map(flat),
];
