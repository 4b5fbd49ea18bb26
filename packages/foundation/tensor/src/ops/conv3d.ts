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
  if (padding === 'same' || padding === 'valid')
    return tf.conv3d(x as tf.Tensor5D, filter as tf.Tensor5D, stride, padding);
  const around = triple('conv3d', 'padding', padding, 0).map((p): [number, number] => [p, p]);
  return tf.tidy(() =>
    tf.conv3d(tf.pad(x, [[0, 0], ...around, [0, 0]]) as tf.Tensor5D, filter as tf.Tensor5D, stride, 'valid'),
  );
}
