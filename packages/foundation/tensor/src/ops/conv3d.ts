/** Convolution in three dimensions, channels last, with padding by number. Gradients are those of `tf.conv3d`. */
import * as tf from '@tensorflow/tfjs-core';
import { checkTensor, describe } from './check.ts';

/** One number for each of depth, height and width. */
export type Triple = readonly [number, number, number];

/** Options of {@link conv3d}. */
export interface Conv3dOptions {
  /** Default 1. */
  strides?: number | Triple;
  /** `'same'` (default), `'valid'`, or zeros added at both ends of each axis, as in PyTorch. */
  padding?: 'same' | 'valid' | number | Triple;
}

/** Three numbers from one or three. @throws RangeError unless all are integers of at least `least`. */
export function triple(
  operation: string,
  argument: string,
  value: number | Triple,
  least: number,
): [number, number, number] {
  const three: [number, number, number] = typeof value === 'number' ? [value, value, value] : [...value];
  if (three.length !== 3 || three.some((v) => !Number.isInteger(v) || v < least)) {
    throw new RangeError(
      `${operation}: '${argument}' must be one integer of at least ${least} or three, but got [${three.join(', ')}].`,
    );
  }
  return three;
}

/**
 * Convolves volumes, or videos as depth = time.
 *
 * @param x float32 [B, D, H, W, Cin].
 * @param filter float32 [kd, kh, kw, Cin, Cout].
 * @returns float32 [B, D', H', W', Cout].
 * @throws RangeError if channels differ or an option does not fit.
 */
export function conv3d(x: tf.Tensor, filter: tf.Tensor, options: Conv3dOptions = {}): tf.Tensor5D {
  const { strides = 1, padding = 'same' } = options;
  checkTensor('conv3d', 'x', x, { ranks: [5], shape: ' [B, D, H, W, C]' });
  checkTensor('conv3d', 'filter', filter, { ranks: [5], shape: ' [kd, kh, kw, Cin, Cout]' });
  if (x.shape[4] !== filter.shape[3]) {
    throw new RangeError(
      `conv3d: 'filter' [kd, kh, kw, Cin, Cout] must have the channels of 'x', but got x ${describe(x)}, filter ${describe(filter)}.`,
    );
  }
  const stride = triple('conv3d', 'strides', strides, 1);
  const run = (volume: tf.Tensor, pad: 'same' | 'valid'): tf.Tensor5D =>
    tf.conv3d(volume as tf.Tensor5D, filter as tf.Tensor5D, stride, pad);
  const kernel = filter.shape.slice(0, 3);
  const skips = kernel.some((size, i) => size < (stride[i] as number));
  if (padding === 'valid' || (padding === 'same' && !skips)) return run(x, padding);
  const around =
    padding === 'same'
      ? kernel.map((size, i) => samePadding(x.shape[i + 1] as number, size, stride[i] as number))
      : triple('conv3d', 'padding', padding, 0).map((p): [number, number] => [p, p]);
  return tf.tidy(() => run(tf.pad(x, [[0, 0], ...around, [0, 0]]), 'valid'));
}

/**
 * Zeros before and after an axis by TensorFlow's rule. TensorFlow.js gets it wrong in three dimensions where the kernel
 * is smaller than the stride: it pads by a negative number.
 */
function samePadding(input: number, kernel: number, stride: number): [number, number] {
  const total = Math.max(0, (Math.ceil(input / stride) - 1) * stride + kernel - input);
  return [Math.floor(total / 2), total - Math.floor(total / 2)];
}
