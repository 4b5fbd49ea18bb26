/**
 * Structural similarity (Wang, Bovik, Sheikh, Simoncelli: "Image quality assessment: from error visibility to
 * structural similarity", IEEE TIP 13(4), 2004), with the constants of the paper: an 11×11 Gaussian window of
 * σ = 1.5, K1 = 0.01, K2 = 0.03, population covariances.
 *
 * Only windows that lie inside the picture count, channels are scored one by one and averaged: the numbers are those of
 * scikit-image's `structural_similarity(gaussian_weights=True, sigma=1.5, use_sample_covariance=False)`.
 */
import { tf } from '@tesserae/tensor';
import { imagePair, type ImageMetricOptions } from './image-pair.ts';

const WINDOW = 11;
const SIGMA = 1.5;
const K1 = 0.01;
const K2 = 0.03;

/** The window along one axis, summing to 1: the two-dimensional one is its product with itself. */
const GAUSSIAN: readonly number[] = (() => {
  const half = (WINDOW - 1) / 2;
  const weights = Array.from({ length: WINDOW }, (_, i) => Math.exp(-((i - half) ** 2) / (2 * SIGMA ** 2)));
  const sum = weights.reduce((a, b) => a + b);
  return weights.map((weight) => weight / sum);
})();

/**
 * The SSIM of each picture of a batch.
 *
 * @param a - float32 `[batch, height, width, channels]`, height and width at least 11.
 * @param b - The same shape.
 * @returns float32 `[batch]`, at most 1; 1 where two pictures are equal. Traceable and differentiable.
 * @throws RangeError when the shapes differ, or a side is shorter than the window.
 */
export function ssim(a: tf.Tensor, b: tf.Tensor, options: ImageMetricOptions = {}): tf.Tensor1D {
  const range = imagePair('ssim', a, b, options);
  const [batch, height, width, channels] = a.shape as [number, number, number, number];
  if (height < WINDOW || width < WINDOW) {
    throw new RangeError(
      `ssim: pictures must be at least ${WINDOW}×${WINDOW}, the size of the window, got ${height}×${width}`,
    );
  }
  return tf.tidy(() => {
    // The window slides over each channel alone: [N, H, W, C] -> [N·C, H, W, 1].
    const planes = (x: tf.Tensor): tf.Tensor4D =>
      tf.reshape(tf.transpose(x, [0, 3, 1, 2]), [batch * channels, height, width, 1]);
    const column = tf.tensor4d([...GAUSSIAN], [WINDOW, 1, 1, 1]);
    const row = tf.tensor4d([...GAUSSIAN], [1, WINDOW, 1, 1]);
    const blur = (x: tf.Tensor4D): tf.Tensor4D => tf.conv2d(tf.conv2d(x, column, 1, 'valid'), row, 1, 'valid');

    const x = planes(a);
    const y = planes(b);
    const meanX = blur(x);
    const meanY = blur(y);
    const meanXX = tf.square(meanX);
    const meanYY = tf.square(meanY);
    const meanXY = tf.mul(meanX, meanY);
    const varianceX = tf.sub(blur(tf.square(x)), meanXX);
    const varianceY = tf.sub(blur(tf.square(y)), meanYY);
    const covariance = tf.sub(blur(tf.mul(x, y)), meanXY);

    const c1 = (K1 * range) ** 2;
    const c2 = (K2 * range) ** 2;
    const luminance = tf.div(tf.add(tf.mul(meanXY, 2), c1), tf.add(tf.add(meanXX, meanYY), c1));
    const structure = tf.div(tf.add(tf.mul(covariance, 2), c2), tf.add(tf.add(varianceX, varianceY), c2));
    const map = tf.mul(luminance, structure); // [N·C, H-10, W-10, 1]
    return tf.mean(tf.reshape(map, [batch, -1]), 1) as tf.Tensor1D;
  });
}
