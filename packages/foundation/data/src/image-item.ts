/** Pictures as data sets hold them (bytes) and as loaders hand them out (float32 in [-1, 1], channels last). */
import type { HostTensor } from './host-tensor.ts';

/** One decoded picture. */
export interface ImageItem {
  /** `height · width · channels` bytes, channels last. Read only: they may be the data set's cache. */
  readonly pixels: Uint8Array;
  /** `[height, width, channels]`. */
  readonly shape: readonly [number, number, number];
  /** Class of the picture, where the data set has classes. */
  readonly label?: number;
}

/** Some pictures, ready for `toTensors`. A type, not an interface, so that it may be mapped. */
export type ImageBatch = {
  /** float32 `[batch, height, width, channels]`, values in [-1, 1]. */
  readonly images: HostTensor;
  /** int32 `[batch]`, where the data set has classes. */
  readonly labels?: HostTensor;
};

/**
 * Pictures of one shape to a batch: byte 0 becomes −1, byte 255 becomes 1.
 *
 * @throws RangeError when there are none, or their shapes differ.
 */
export function collateImages(items: readonly ImageItem[]): ImageBatch {
  const [first] = items;
  if (!first) throw new RangeError('collateImages: no pictures to put in a batch');
  const size = first.pixels.length;
  const data = new Float32Array(items.length * size);
  items.forEach(({ pixels, shape }, i) => {
    if (shape.join() !== first.shape.join()) {
      throw new RangeError(
        `collateImages: picture ${i} has shape [${shape.join(', ')}], picture 0 has [${first.shape.join(', ')}]`,
      );
    }
    const offset = i * size;
    for (let p = 0; p < size; p++) data[offset + p] = (pixels[p] as number) / 127.5 - 1;
  });
  const images: HostTensor = { data, shape: [items.length, ...first.shape], dtype: 'float32' };
  if (first.label === undefined) return { images };
  const labels = Int32Array.from(items, (item) => item.label ?? -1);
  return { images, labels: { data: labels, shape: [items.length], dtype: 'int32' } };
}
