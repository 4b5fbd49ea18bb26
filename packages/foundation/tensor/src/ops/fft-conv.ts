/**
 * Causal convolutions as long as the sequence, by Fourier transforms (Fu et al., "Simple Hardware-Efficient Long
 * Convolutions for Sequence Modeling", arXiv:2302.06646, section 2): T log T instead of T K.
 *
 * Sequences are padded to a power of two that holds the whole linear convolution, so nothing wraps around. The kernel is
 * real, so two examples travel as real and imaginary part of one transform.
 */
import * as tf from '@tensorflow/tfjs-core';
import { checkTensor, describe } from './check.ts';

/** Real and imaginary parts. */
interface Parts {
  readonly real: tf.Tensor;
  readonly imaginary: tf.Tensor;
}

const partsOf = (x: tf.Tensor): Parts => ({ real: tf.real(x), imaginary: tf.imag(x) });

/** Spectra of sequences along the last axis, after padding: [..., T] -> [..., n]. */
function spectra(real: tf.Tensor, imaginary: tf.Tensor, size: number): Parts {
  const padded = (x: tf.Tensor): tf.Tensor =>
    tf.pad(
      x,
      x.shape.map((length, i) => [0, i === x.rank - 1 ? size - length : 0] as [number, number]),
    );
  return partsOf(tf.fft(tf.complex(padded(real), padded(imaginary))));
}

/** a b, or conj(a) b. */
function times(a: Parts, b: Parts, conjugate: boolean): tf.Tensor {
  const [straight, crossed] = [tf.mul(a.real, b.real), tf.mul(a.imaginary, b.imaginary)];
  const [mixed, other] = [tf.mul(a.real, b.imaginary), tf.mul(a.imaginary, b.real)];
  return conjugate
    ? tf.complex(tf.add(straight, crossed), tf.sub(mixed, other))
    : tf.complex(tf.sub(straight, crossed), tf.add(mixed, other));
}

/** [B, T, D] -> the first and the second half of the examples, [ceil(B / 2), D, T] each; zeros where one is missing. */
function halves(x: tf.Tensor): [tf.Tensor, tf.Tensor] {
  const [batch, time, channels] = x.shape as [number, number, number];
  const half = Math.ceil(batch / 2);
  const across = tf.transpose(x, [0, 2, 1]);
  const first = tf.slice(across, [0, 0, 0], [half, channels, time]);
  if (batch === 1) return [first, tf.zerosLike(first)];
  const second = tf.slice(across, [half, 0, 0], [batch - half, channels, time]);
  return [
    first,
    tf.pad(second, [
      [0, 2 * half - batch],
      [0, 0],
      [0, 0],
    ]),
  ];
}

/** The size of the transforms for T steps and K taps. */
const transformSize = (time: number, taps: number): number => 2 ** Math.ceil(Math.log2(Math.max(2, time + taps - 1)));

/** y_t = sum over j of kernel_j x_{t - j}; x [B, T, D], kernel [K, D] with K at most T. */
function convolve(x: tf.Tensor, kernel: tf.Tensor): tf.Tensor {
  const [batch, time, channels] = x.shape as [number, number, number];
  const size = transformSize(time, kernel.shape[0] as number);
  const taps = tf.transpose(kernel, [1, 0]); // [D, K]
  const product = times(spectra(...halves(x), size), spectra(taps, tf.zerosLike(taps), size), false);
  const { real, imaginary } = partsOf(tf.ifft(product)); // [ceil(B / 2), D, n]
  const both = tf.slice(tf.concat([real, imaginary]), [0, 0, 0], [batch, channels, time]);
  return tf.transpose(both, [0, 2, 1]);
}

/** r_j = sum over b and t of dy_t x_{t - j}, for j below `taps`: [taps, D]. */
function correlate(x: tf.Tensor, dy: tf.Tensor, taps: number): tf.Tensor {
  const [, time, channels] = x.shape as [number, number, number];
  const size = transformSize(time, taps);
  const product = times(spectra(...halves(x), size), spectra(...halves(dy), size), true);
  // The sum over examples may go first. The imaginary part mixes the two halves and is dropped.
  const { real, imaginary } = partsOf(product);
  const sum = tf.ifft(tf.complex(tf.sum(real, 0), tf.sum(imaginary, 0))); // [D, n]
  return tf.transpose(tf.slice(tf.real(sum), [0, 0], [channels, taps]), [1, 0]);
}

type Bilinear = (a: tf.Tensor, b: tf.Tensor) => tf.Tensor;

/** An op of two tensors with the gradients of both: built of such ops again, so differentiable to any order. */
const bilinear =
  (forward: Bilinear, gradients: (dy: tf.Tensor, a: tf.Tensor, b: tf.Tensor) => tf.Tensor[]): Bilinear =>
  (a, b) =>
    tf.customGrad((...args) => {
      const [left, right, save] = args as unknown as [tf.Tensor, tf.Tensor, tf.GradSaveFunc];
      save([left, right]);
      return {
        value: forward(left, right),
        gradFunc: (dy: tf.Tensor, saved: tf.Tensor[]) => gradients(dy, saved[0] as tf.Tensor, saved[1] as tf.Tensor),
      };
    })(a, b);

const causal: Bilinear = bilinear(convolve, (dy, x, kernel) => [
  anticausal(dy, kernel),
  correlation(kernel.shape[0] as number)(x, dy),
]);

/** The adjoint of the convolution: the same, backwards in time. */
const anticausal = (dy: tf.Tensor, kernel: tf.Tensor): tf.Tensor => tf.reverse(causal(tf.reverse(dy, 1), kernel), 1);

const correlation = (taps: number): Bilinear =>
  bilinear(
    (x, dy) => correlate(x, dy, taps),
    (g, x, dy) => [anticausal(dy, g), causal(x, g)],
  );

/**
 * Causal convolution of each channel with its own kernel: y_t = sum over j of kernel_j x_{t - j}, with x = 0 before the
 * start. Differentiable to any order. For kernels of a few taps use a depthwise convolution.
 *
 * @param x float32 [B, T, D], any T.
 * @param kernel float32 [K, D]; taps from T on reach nothing and get a gradient of zero.
 * @returns float32 [B, T, D].
 * @throws TypeError for a wrong dtype or rank, RangeError if the shapes do not fit.
 */
export function fftConv(x: tf.Tensor, kernel: tf.Tensor): tf.Tensor3D {
  checkTensor('fftConv', 'x', x, { ranks: [3], shape: ' [B, T, D]' });
  checkTensor('fftConv', 'kernel', kernel, { ranks: [2], shape: ' [K, D]' });
  const [batch, time, channels] = x.shape as [number, number, number];
  const taps = kernel.shape[0] as number;
  if (kernel.shape[1] !== channels || batch * time * channels * taps === 0) {
    throw new RangeError(
      `fftConv: 'x' [B, T, D] and 'kernel' [K, D] must share D and hold something, but got x ${describe(x)}, kernel ${describe(kernel)}.`,
    );
  }
  return tf.tidy(() => {
    const reaching = taps > time ? tf.slice(kernel, [0, 0], [time, channels]) : kernel;
    return causal(x, reaching);
  }) as tf.Tensor3D;
}
