/**
 * Gradients of activation functions and of softmax.
 *
 * Fused kernels (FusedConv2D, _FusedMatMul, FusedDepthwiseConv2D) have none here: TensorFlow.js wraps them in gradients of its own.
 */
import * as tf from '@tensorflow/tfjs-core';
import { gradient, outputOr, unbroadcast } from './gradient.ts';

/** The constants of SELU, Klambauer et al. 2017, arXiv:1706.02515, section 2. */
const seluAlpha = 1.6732632423543772;
const seluScale = 1.0507009873554805;

/** e^min(x, 0): the derivative of the exponential branch, finite on the other one too. */
const expOfNegative = (x: tf.Tensor): tf.Tensor => tf.exp(tf.minimum(x, 0));

export const activationGradients: tf.GradConfig[] = [
  gradient('Relu', { inputs: ['x'] }, (dy, [x]) => ({ x: () => tf.mul(dy, tf.step(x)) })),
  gradient('Relu6', { inputs: ['x'] }, (dy, [x]) => ({
    x: () => tf.mul(dy, tf.mul(tf.step(x), tf.cast(tf.lessEqual(x, 6), 'float32'))),
  })),
  gradient<tf.LeakyReluAttrs>('LeakyRelu', { inputs: ['x'] }, (dy, [x], { alpha }) => ({
    x: () => tf.where(tf.greater(x, 0), dy, tf.mul(dy, alpha)),
  })),
  gradient('Prelu', { inputs: ['x', 'alpha'] }, (dy, [x, alpha]) => ({
    x: () => tf.where(tf.greater(x, 0), dy, tf.mul(dy, alpha)),
    alpha: () => unbroadcast(tf.mul(dy, tf.minimum(x, 0)), alpha.shape),
  })),
  gradient('Elu', { inputs: ['x'] }, (dy, [x]) => ({ x: () => tf.mul(dy, expOfNegative(x)) })),
  gradient('Selu', { inputs: ['x'] }, (dy, [x]) => ({
    x: () => {
      const negative = tf.mul(expOfNegative(x), seluAlpha);
      return tf.mul(dy, tf.mul(tf.where(tf.greater(x, 0), tf.onesLike(x), negative), seluScale));
    },
  })),
  gradient('Sigmoid', { inputs: ['x'], outputs: [true] }, (dy, [x, y]) => ({
    x: () => {
      const s = outputOr(y, () => tf.sigmoid(x));
      return tf.mul(dy, tf.mul(s, tf.sub(1, s)));
    },
  })),
  gradient('Softplus', { inputs: ['x'] }, (dy, [x]) => ({ x: () => tf.mul(dy, tf.sigmoid(x)) })),
  gradient<tf.SoftmaxAttrs>('Softmax', { inputs: ['logits'], outputs: [true] }, (dy, [logits, y], { dim }) => ({
    logits: () => {
      const p = outputOr(y, () => tf.softmax(logits, dim));
      const weighted = tf.mul(dy, p);
      return tf.sub(weighted, tf.mul(tf.sum(weighted, dim, true), p));
    },
  })),
  gradient<tf.LogSoftmaxAttrs>('LogSoftmax', { inputs: ['logits'], outputs: [true] }, (dy, [logits, y], { axis }) => ({
    logits: () => {
      const p = outputOr(tf.exp(y), () => tf.softmax(logits, axis));
      return tf.sub(dy, tf.mul(tf.sum(dy, axis, true), p));
    },
  })),
];
