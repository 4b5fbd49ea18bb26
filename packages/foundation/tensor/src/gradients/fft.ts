/**
 * Fourier transforms with gradients.
 *
 * The tape of TensorFlow.js accepts float32 gradients only, so nothing can be differentiated through a complex64 tensor:
 * the rules below say so, with the remedy. The remedy is a pair of real tensors, real and imaginary part stacked on the
 * first axis, for which the transform is a real linear map F with Fᵀ = n F⁻¹; `fftOfPair` and `ifftOfPair` are each
 * other's adjoint up to that factor, to any order.
 */
import * as tf from '@tensorflow/tfjs-core';
import { gradient } from './gradient.ts';

/** A rule that refuses, where the gradient would be complex. */
const complexOnly = (kernelName: string, input: string): tf.GradConfig =>
  gradient(kernelName, {}, () => ({
    [input]: () => {
      throw new Error(
        `${kernelName}: expected a real input to differentiate, received complex64; TensorFlow.js carries float32 ` +
          'gradients only. Keep real and imaginary parts as two tensors; for Fourier transforms use fftOfPair.',
      );
    },
  }));

export const fftGradients: tf.GradConfig[] = [
  complexOnly('ComplexAbs', 'x'),
  complexOnly('Real', 'input'),
  complexOnly('Imag', 'input'),
];

type Direction = 'forward' | 'inverse';

function transformPair(x: tf.Tensor, direction: Direction): tf.Tensor {
  if (x.rank < 2 || x.shape[0] !== 2) {
    throw new Error(
      `${direction === 'forward' ? 'fftOfPair' : 'ifftOfPair'}: x must have shape [2, ..., n], real part first, ` +
        `received [${x.shape}]. Use tf.stack([real, imaginary]).`,
    );
  }
  const n = x.shape[x.rank - 1] ?? 1;
  const transform = tf.customGrad((...args) => {
    const [pair] = args as unknown as [tf.Tensor];
    const [real, imaginary] = tf.unstack(pair) as [tf.Tensor, tf.Tensor];
    const spectrum =
      direction === 'forward' ? tf.fft(tf.complex(real, imaginary)) : tf.ifft(tf.complex(real, imaginary));
    const value = tf.stack([tf.real(spectrum), tf.imag(spectrum)]);
    const gradFunc = (dy: tf.Tensor): tf.Tensor =>
      direction === 'forward' ? tf.mul(transformPair(dy, 'inverse'), n) : tf.div(transformPair(dy, 'forward'), n);
    return { value, gradFunc };
  });
  return transform(x);
}

/**
 * Discrete Fourier transform along the last axis, X_k = sum over j of x_j e^(-2 pi i j k / n), differentiable.
 *
 * @param x float32 [2, ..., n]: real part, then imaginary part
 * @returns float32 [2, ..., n]
 * @throws when the first axis is not of size 2
 */
export function fftOfPair(x: tf.Tensor): tf.Tensor {
  return transformPair(x, 'forward');
}

/**
 * Inverse of {@link fftOfPair}, with the factor 1 / n.
 *
 * @param x float32 [2, ..., n]: real part, then imaginary part
 * @returns float32 [2, ..., n]
 * @throws when the first axis is not of size 2
 */
export function ifftOfPair(x: tf.Tensor): tf.Tensor {
  return transformPair(x, 'inverse');
}
