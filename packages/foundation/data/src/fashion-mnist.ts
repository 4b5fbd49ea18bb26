/**
 * Fashion-MNIST (Xiao, Rasul, Vollgraf 2017, arXiv 1708.07747): 70,000 grey pictures of clothes, 28×28, ten classes.
 * MIT licence. The Debian package `dataset-fashion-mnist` installs it in `/usr/share/datasets/fashion-mnist`.
 */
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { gunzip } from 'node:zlib';
import type { Dataset } from './dataset.ts';
import { parseIdx, type IdxArray } from './idx.ts';
import { collateImages, type ImageBatch, type ImageItem } from './image-item.ts';

/** Options of `fashionMnist`. */
export interface FashionMnistOptions {
  /** 60,000 pictures for `'train'` (default), 10,000 for `'test'`. */
  readonly split?: 'train' | 'test';
  /** Side of the pictures: 28, or more for a black margin around them (32 suits downsampling). Default 28. */
  readonly size?: number;
}

/** Grey pictures with labels. */
export interface LabelledImages extends Dataset<ImageItem, ImageBatch> {
  collate(items: readonly ImageItem[]): ImageBatch;
  readonly shape: readonly [number, number, number];
  /** Names of the classes in the order of the labels. */
  readonly classes: readonly string[];
}

const CLASSES = [
  'T-shirt/top',
  'Trouser',
  'Pullover',
  'Dress',
  'Coat',
  'Sandal',
  'Shirt',
  'Sneaker',
  'Bag',
  'Ankle boot',
] as const;

/** No file of the set is larger than this when decompressed: a small file that is gives an error, not a full memory. */
const MAX_BYTES = 64 * 2 ** 20;

/**
 * Read Fashion-MNIST from a folder that holds its `.gz` files; also reads MNIST and other sets in the same files.
 *
 * @throws Error naming the file that is missing, truncated or no IDX file, and where to get the set.
 */
export async function fashionMnist(folder: string, options: FashionMnistOptions = {}): Promise<LabelledImages> {
  const { split = 'train', size = 28 } = options;
  const prefix = split === 'train' ? 'train' : 't10k';
  const images = await readIdx(folder, `${prefix}-images-idx3-ubyte.gz`);
  const labels = await readIdx(folder, `${prefix}-labels-idx1-ubyte.gz`);
  const [count = 0, height = 0, width = 0] = images.shape;
  if (images.shape.length !== 3 || labels.shape.length !== 1 || labels.shape[0] !== count) {
    throw new Error(
      `fashionMnist: ${prefix} images have shape [${images.shape.join(', ')}] and labels [${labels.shape.join(', ')}], ` +
        'expected [n, height, width] and [n]',
    );
  }
  if (!Number.isSafeInteger(size) || size < Math.max(height, width)) {
    throw new RangeError(
      `fashionMnist: size must be a whole number of at least ${Math.max(height, width)}, got ${size}`,
    );
  }
  const unknown = labels.data.findIndex((label) => label >= CLASSES.length);
  if (unknown >= 0) {
    throw new Error(`fashionMnist: label ${labels.data[unknown]} of picture ${unknown} is not below ${CLASSES.length}`);
  }
  const shape = [size, size, 1] as const;
  const top = Math.floor((size - height) / 2);
  const left = Math.floor((size - width) / 2);
  return {
    length: count,
    shape,
    classes: CLASSES,
    collate: collateImages,
    get(index): ImageItem {
      if (!(index >= 0 && index < count)) throw new RangeError(`fashionMnist: no picture ${index} among ${count}`);
      const pixels = new Uint8Array(size * size);
      for (let y = 0; y < height; y++) {
        const row = (index * height + y) * width;
        pixels.set(images.data.subarray(row, row + width), (top + y) * size + left);
      }
      return { pixels, shape, label: labels.data[index] as number };
    },
  };
}

async function readIdx(folder: string, name: string): Promise<IdxArray> {
  const file = join(folder, name);
  let bytes: Uint8Array;
  try {
    bytes = await promisify(gunzip)(await readFile(file), { maxOutputLength: MAX_BYTES });
  } catch (error) {
    throw new Error(
      `fashionMnist: cannot read ${file}: ${(error as Error).message}; ` +
        'the Debian package dataset-fashion-mnist has the files (MIT licence)',
      { cause: error },
    );
  }
  return parseIdx(bytes, file);
}
