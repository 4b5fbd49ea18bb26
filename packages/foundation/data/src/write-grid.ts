/** Many pictures in one PNG: what to look at while a model trains. */
import { randomUUID } from 'node:crypto';
import { mkdir, rename, rm } from 'node:fs/promises';
import { dirname } from 'node:path';
import type { tf } from '@tesserae/tensor';
import sharp from 'sharp';
import type { HostTensor } from './host-tensor.ts';

/** Options of `writeGrid`. */
export interface GridOptions {
  /** Pictures in a row. Default: as square as possible. */
  readonly columns?: number;
  /** Pixels between pictures and around them, after scaling. Default 2. */
  readonly gap?: number;
  /** Whole-number enlargement: each pixel becomes a square. Default 1. */
  readonly scale?: number;
  /** Grey level of the gaps, 0 to 255. Default 255. */
  readonly background?: number;
}

/**
 * Write a grid of pictures as PNG. The file appears under its name only when it is complete; folders are made.
 *
 * @param file - Where to.
 * @param images - `[count, height, width, channels]` with 1 or 3 channels, values in [-1, 1]; others are clipped. A
 *   tensor is read and stays the caller's.
 * @throws RangeError on other shapes, options out of range or NaN; Error naming the file when it cannot be written.
 */
export async function writeGrid(
  file: string,
  images: tf.Tensor | HostTensor,
  options: GridOptions = {},
): Promise<void> {
  const shape = [...images.shape];
  const [count = 0, height = 0, width = 0, channels = 0] = shape;
  if (shape.length !== 4 || count < 1 || (channels !== 1 && channels !== 3)) {
    throw new RangeError(`writeGrid: images must have shape [count, height, width, 1 or 3], got [${shape.join(', ')}]`);
  }
  const { columns = Math.ceil(Math.sqrt(count)), gap = 2, scale = 1, background = 255 } = options;
  for (const [name, value, least] of [
    ['columns', columns, 1],
    ['gap', gap, 0],
    ['scale', scale, 1],
  ] as const) {
    if (!Number.isSafeInteger(value) || value < least) {
      throw new RangeError(`writeGrid: ${name} must be a whole number of at least ${least}, got ${value}`);
    }
  }
  const values = typeof images.data === 'function' ? await images.data() : images.data;

  const across = Math.min(columns, count);
  const rows = Math.ceil(count / columns);
  const stepX = width * scale + gap;
  const stepY = height * scale + gap;
  const gridWidth = across * stepX + gap;
  const gridHeight = rows * stepY + gap;
  const canvas = Buffer.alloc(gridWidth * gridHeight * channels, background);
  for (let n = 0; n < count; n++) {
    const top = gap + Math.floor(n / columns) * stepY;
    const left = gap + (n % columns) * stepX;
    for (let y = 0; y < height * scale; y++) {
      for (let x = 0; x < width * scale; x++) {
        const from = ((n * height + Math.floor(y / scale)) * width + Math.floor(x / scale)) * channels;
        const to = ((top + y) * gridWidth + left + x) * channels;
        for (let c = 0; c < channels; c++) {
          const value = values[from + c] as number;
          if (Number.isNaN(value)) {
            throw new RangeError(
              `writeGrid: picture ${n} has NaN at row ${Math.floor(y / scale)}; nothing was written`,
            );
          }
          canvas[to + c] = Math.max(0, Math.min(255, Math.round((value + 1) * 127.5)));
        }
      }
    }
  }

  const partial = `${file}.${randomUUID().slice(0, 8)}.partial`;
  try {
    await mkdir(dirname(file), { recursive: true });
    await sharp(canvas, { raw: { width: gridWidth, height: gridHeight, channels } })
      .png()
      .toFile(partial);
    await rename(partial, file);
  } catch (error) {
    await rm(partial, { force: true }).catch(() => {});
    throw new Error(`writeGrid: cannot write ${file}: ${(error as Error).message}`, { cause: error });
  }
}
