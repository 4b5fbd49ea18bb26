/**
 * Transposed convolution in two dimensions ("deconvolution"): the gradient of a convolution by its input, used forward
 * to upsample. Like `tf.conv2dTranspose`, with the output's size worked out.
 */
import * as tf from '@tensorflow/tfjs-core';
import { checkTensor } from './check.ts';
import { checkTransposeChannels, transposedSize } from './transposed-size.ts';
import type { TransposePadding } from './transposed-size.ts';

/** Options of {@link conv2dTranspose}. */
export interface Conv2dTransposeOptions {
  /** Upsampling factor, or one for height and one for width; default 1. */
  strides?: number | readonly [number, number];
  /** Default `'same'`: output = input * stride. `'valid'`: (input - 1) * stride + kernel. A number: `'valid'` less twice that, as in PyTorch. */
  padding?: TransposePadding;
  /** Rows and columns added at the end, less than the stride, as in PyTorch; only with a number as padding; default 0. */
  outputPadding?: number;
}

/**
 * Upsamples by a transposed convolution.
 *
 * @param x float32 [B, H, W, Cin].
 * @param filter float32 [kh, kw, Cout, Cin].
 * @returns float32 [B, H', W', Cout].
 * @throws RangeError if channels differ or an option does not fit.
 */
export function conv2dTranspose(x: tf.Tensor, filter: tf.Tensor, options: Conv2dTransposeOptions = {}): tf.Tensor4D {
  const { strides = 1, padding = 'same', outputPadding = 0 } = options;
  checkTensor('conv2dTranspose', 'x', x, { ranks: [4], shape: ' [B, H, W, C]' });
  checkTensor('conv2dTranspose', 'filter', filter, { ranks: [4], shape: ' [kh, kw, Cout, Cin]' });
  checkTransposeChannels('conv2dTranspose', x, filter);
  const stride: [number, number] = typeof strides === 'number' ? [strides, strides] : [...strides];
  const spatial = stride.map((s, i) =>
    transposedSize('conv2dTranspose', x.shape[i + 1] as number, filter.shape[i] as number, s, padding, outputPadding),
  );
  const shape = [x.shape[0], ...spatial, filter.shape[2]] as [number, number, number, number];
  // Not a plain number: TensorFlow.js then works out both axes with the kernel's height.
  return typeof padding === 'number'
    ? tf.conv2dTranspose(x as tf.Tensor4D, filter as tf.Tensor4D, shape, stride, explicit(padding), 'floor')
    : tf.conv2dTranspose(x as tf.Tensor4D, filter as tf.Tensor4D, shape, stride, padding);
}

function explicit(padding: number): [[number, number], [number, number], [number, number], [number, number]] {
  return [
    [0, 0],
    [padding, padding],
    [padding, padding],
    [0, 0],
  ];
}
