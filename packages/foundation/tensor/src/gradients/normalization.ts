/**
 * Gradients of batch normalisation with given statistics, and of local response normalisation.
 *
 * y = (x - mean) scale / sqrt(variance + epsilon) + offset, elementwise with broadcasting, so each operand's gradient is
 * summed over the axes along which it was repeated.
 */
import * as tf from '@tensorflow/tfjs-core';
import { gradient, outputOr, unbroadcast } from './gradient.ts';

export const normalizationGradients: tf.GradConfig[] = [
  gradient<tf.FusedBatchNormAttrs>(
    'FusedBatchNorm',
    { inputs: ['x', 'mean', 'variance', 'scale'] },
    (dy, [x, mean, variance, scale], { varianceEpsilon }) => {
      const inverse = (): tf.Tensor => tf.rsqrt(tf.add(variance, varianceEpsilon));
      const scaled = (): tf.Tensor => tf.mul(dy, scale);
      return {
        x: () => tf.mul(scaled(), inverse()),
        mean: () => tf.neg(tf.mul(unbroadcast(scaled(), mean.shape), inverse())),
        variance: () => {
          const spread = unbroadcast(tf.mul(scaled(), tf.sub(x, mean)), variance.shape);
          const cubed = tf.mul(inverse(), tf.square(inverse()));
          return tf.mul(tf.mul(spread, cubed), -0.5);
        },
        scale: () => unbroadcast(tf.mul(dy, tf.mul(tf.sub(x, mean), inverse())), scale.shape),
        // Scale and offset have one rank; offset may be repeated along more axes only through scale's shape.
        offset: () => unbroadcast(dy, mean.shape),
      };
    },
  ),
  gradient<tf.LRNAttrs>('LRN', { inputs: ['x'], outputs: [true] }, (dy, [x, y], attributes) => ({
    x: () => {
      const output = outputOr(y, () => tf.localResponseNormalization(x as tf.Tensor4D, ...parameters(attributes)));
      const inputs = { x, y: output, dy };
      return tf.engine().runKernel('LRNGrad', inputs, { ...attributes }) as tf.Tensor;
    },
  })),
];

const parameters = ({ depthRadius, bias, alpha, beta }: tf.LRNAttrs): [number, number, number, number] => [
  depthRadius,
  bias,
  alpha,
  beta,
];
