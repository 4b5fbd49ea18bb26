/**
 * Transposed convolution in three dimensions: the gradient of `conv3d` by its input, used forward to upsample volumes
 * and videos. TensorFlow.js has the op, but not its gradient.
 */
import * as tf from '@tensorflow/tfjs-core';
import { checkTensor } from './check.ts';
import { triple } from './conv3d.ts';
import type { Triple } from './conv3d.ts';
import { checkTransposeChannels, transposedSize } from './transposed-size.ts';

/** Options of {@link conv3dTranspose}. */
export interface Conv3dTransposeOptions {
  /** Upsampling factors; default 1. */
  strides?: number | Triple;
  /** Default `'same'`: output = input * stride. `'valid'`: (input - 1) * stride + kernel. */
  padding?: 'same' | 'valid';
}

/**
 * Upsamples volumes by a transposed convolution.
 *
 * With y = A(f)ᵀ x, where A(f) is the convolution by f: the gradient for `x` is A(f) dy, and that for `f` is the filter
 * gradient of the convolution whose input is dy and whose output gradient is x.
 *
 * @param x float32 [B, D, H, W, Cin].
 * @param filter float32 [kd, kh, kw, Cout, Cin].
 * @returns float32 [B, D', H', W', Cout].
 * @throws RangeError if channels differ or an option does not fit.
 */
export function conv3dTranspose(x: tf.Tensor, filter: tf.Tensor, options: Conv3dTransposeOptions = {}): tf.Tensor5D {
  const { strides = 1, padding = 'same' } = options;
  checkTensor('conv3dTranspose', 'x', x, { ranks: [5], shape: ' [B, D, H, W, C]' });
  checkTensor('conv3dTranspose', 'filter', filter, { ranks: [5], shape: ' [kd, kh, kw, Cout, Cin]' });
  checkTransposeChannels('conv3dTranspose', x, filter);
  const stride = triple('conv3dTranspose', 'strides', strides, 1);
  const size = (rule: 'same' | 'valid'): number[] =>
    stride.map((s, i) =>
      transposedSize('conv3dTranspose', x.shape[i + 1] as number, filter.shape[i] as number, s, rule, 0),
    );
  const skips = stride.some((s, i) => (filter.shape[i] as number) < s);
  if (padding === 'same' && skips) {
    return tf.tidy(() => trimmed(conv3dTranspose(x, filter, { strides, padding: 'valid' }), size('same')));
  }
  const spatial = size(padding);
  const shape = [x.shape[0], ...spatial, filter.shape[3]] as [number, number, number, number, number];
  const op = tf.customGrad((input, kernel, save) => {
    const volume = input as tf.Tensor5D;
    const weights = kernel as tf.Tensor5D;
    (save as tf.GradSaveFunc)([volume, weights]);
    return {
      value: tf.conv3dTranspose(volume, weights, shape, stride, padding),
      gradFunc: (dy: tf.Tensor, [savedVolume, savedWeights]: tf.Tensor[]) => [
        tf.conv3d(dy as tf.Tensor5D, savedWeights as tf.Tensor5D, stride, padding),
        filterGradient(dy, savedVolume as tf.Tensor, weights.shape, stride, padding),
      ],
    };
  });
  return op(x, filter) as tf.Tensor5D;
}

/** The kernel that TensorFlow.js has but exports no function for. */
function filterGradient(
  x: tf.Tensor,
  dy: tf.Tensor,
  filterShape: readonly number[],
  strides: readonly number[],
  pad: 'same' | 'valid',
): tf.Tensor {
  const attributes = { strides: [...strides], pad, filterShape: [...filterShape] };
  return tf.engine().runKernel('Conv3DBackpropFilterV2', { x, dy } as {}, attributes) as tf.Tensor;
}

/**
 * From the whole output of a transposed convolution that of the rule `'same'`: cut at both ends where the kernel exceeds
 * the stride, filled up with zeros where it is smaller. (TensorFlow.js gets its own rule wrong in the second case.)
 */
function trimmed(whole: tf.Tensor5D, spatial: readonly number[]): tf.Tensor5D {
  return tf.tidy(() => {
    const begin = [0, 0, 0, 0, 0];
    const size = [...whole.shape] as number[];
    const after: [number, number][] = whole.shape.map(() => [0, 0]);
    spatial.forEach((wanted, i) => {
      const excess = (whole.shape[i + 1] as number) - wanted;
      begin[i + 1] = Math.floor(Math.max(0, excess) / 2);
      size[i + 1] = Math.min(wanted, whole.shape[i + 1] as number);
      after[i + 1] = [0, Math.max(0, -excess)];
    });
    return tf.pad(tf.slice(whole, begin, size), after) as tf.Tensor5D;
  });
}
