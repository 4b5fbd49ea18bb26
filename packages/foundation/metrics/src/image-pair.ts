import type { tf } from '@tesserae/tensor';

/** What PSNR and SSIM have in common: how their values are scaled. */
export interface ImageMetricOptions {
  /** Largest minus smallest possible value: 2 for pictures in [-1, 1] (the default), 1 for [0, 1], 255 for bytes. */
  readonly range?: number;
}

/**
 * Check two batches of pictures and read the range.
 *
 * @throws RangeError when they are not both `[batch, height, width, channels]` of one shape, or the range is no
 *   positive number.
 */
export function imagePair(operation: string, a: tf.Tensor, b: tf.Tensor, options: ImageMetricOptions): number {
  const same = a.shape.length === b.shape.length && a.shape.every((side, axis) => side === b.shape[axis]);
  if (a.shape.length !== 4 || !same) {
    throw new RangeError(
      `${operation}: a and b must both have shape [batch, height, width, channels], ` +
        `got [${a.shape.join(', ')}] and [${b.shape.join(', ')}]`,
    );
  }
  const { range = 2 } = options;
  if (!(range > 0 && Number.isFinite(range))) {
    throw new RangeError(`${operation}: range must be a positive number, got ${range}`);
  }
  return range;
}
