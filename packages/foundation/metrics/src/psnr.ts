/**
 * Peak signal-to-noise ratio, in decibels: `10 log10(range² / mean squared error)`.
 *
 * Each picture's error is averaged over its pixels and channels. A set of pictures is usually scored by the mean of
 * their PSNRs, which is what `mean(psnr(a, b))` gives; the PSNR of the pooled error, `decibels(mse, range)`, is lower
 * or equal. Say which one a number is.
 */
import { tf } from '@tesserae/tensor';
import { imagePair, type ImageMetricOptions } from './image-pair.ts';

/**
 * The PSNR of each picture of a batch.
 *
 * @param a - float32 `[batch, height, width, channels]`.
 * @param b - The same shape.
 * @returns float32 `[batch]`, in decibels; +Infinity where two pictures are equal. Traceable.
 * @throws RangeError when the shapes differ or are not those of pictures.
 */
export function psnr(a: tf.Tensor, b: tf.Tensor, options: ImageMetricOptions = {}): tf.Tensor1D {
  const range = imagePair('psnr', a, b, options);
  return tf.tidy(() => {
    const error = tf.mean(tf.squaredDifference(a, b), [1, 2, 3]); // [batch]
    return tf.mul(tf.log(tf.div(error, range * range)), -10 / Math.LN10) as tf.Tensor1D;
  });
}

/** PSNR in decibels of one mean squared error, on the host. */
export function decibels(meanSquaredError: number, range = 2): number {
  return 10 * Math.log10((range * range) / meanSquaredError);
}
