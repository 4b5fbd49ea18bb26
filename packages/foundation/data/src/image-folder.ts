/**
 * A folder of pictures as a data set of one shape.
 *
 * Every file is decoded once when the folder is opened, so that what cannot be used is known before training begins:
 * it is skipped, counted and named. Decoded bytes stay in memory up to a limit; pictures past it are decoded again when
 * asked for.
 */
import { readdir, stat } from 'node:fs/promises';
import { join, relative, sep } from 'node:path';
import type { Dataset } from './dataset.ts';
import { DecodePool, defaultWorkers } from './decode-pool.ts';
import type { DecodeSettings } from './decode.ts';
import { collateImages, type ImageBatch, type ImageItem } from './image-item.ts';

/** Options of `imageFolder` and `imageFiles`. */
export interface ImageFolderOptions {
  /** Side of the pictures, or `[height, width]`. */
  readonly size: number | readonly [height: number, width: number];
  /** 3 for RGB (default), 1 for grey. */
  readonly channels?: 1 | 3;
  /** Colour under transparent pixels, as CSS writes it. Default `'#fff'`. */
  readonly background?: string;
  /**
   * How a picture of another aspect is fitted: `'cover'` fills and crops the middle (default), `'contain'` leaves
   * margins, `'fill'` distorts.
   */
  readonly fit?: 'cover' | 'contain' | 'fill';
  /** Decode threads. Default: the number of cores, at most 4. 0 decodes in the calling thread. */
  readonly workers?: number;
  /** A picture with more pixels is skipped undecoded. Default 2^26, a square of 8192. */
  readonly maxPixels?: number;
  /** Memory for decoded pictures in bytes. Default 1 GiB. */
  readonly cacheBytes?: number;
  /** The class of a file, from its path relative to the folder. Without it pictures have no labels. */
  readonly classOf?: (file: string) => string;
  /** Called after each file, for a progress line. */
  readonly onProgress?: (done: number, total: number) => void;
}

/** A file that is not in the data set, and why. */
export interface SkippedFile {
  /** Path relative to the folder. */
  readonly file: string;
  readonly reason: string;
}

/** Thrown when a folder has no usable picture at all. */
export class NoImagesError extends Error {
  override readonly name = 'NoImagesError';
  readonly folder: string;
  readonly skipped: readonly SkippedFile[];

  constructor(folder: string, skipped: readonly SkippedFile[]) {
    const examples = skipped.slice(0, 3).map(({ file, reason }) => `${file} (${reason})`);
    super(
      skipped.length === 0
        ? `imageFolder: ${folder} has no files; give a folder with pictures (PNG, JPEG, WebP, GIF, TIFF, AVIF or SVG)`
        : `imageFolder: none of the ${skipped.length} files in ${folder} is a usable picture: ${examples.join(', ')}` +
            (skipped.length > examples.length ? ', …' : ''),
    );
    this.folder = folder;
    this.skipped = skipped;
  }
}

/** Pictures of one shape. Batches are `ImageBatch`es. */
export interface ImageDataset extends Dataset<ImageItem, ImageBatch>, Disposable {
  collate(items: readonly ImageItem[]): ImageBatch;
  /** The files in the order of the items, relative to the folder, with `/` between names. */
  readonly files: readonly string[];
  /** The files left out. */
  readonly skipped: readonly SkippedFile[];
  /** Shape of every picture: `[height, width, channels]`. */
  readonly shape: readonly [number, number, number];
  /** Names of the classes in the order of the labels; empty without `classOf`. */
  readonly classes: readonly string[];
  /** Stop the decode threads. Cached pictures can still be read. */
  dispose(): void;
}

/**
 * Open a folder of pictures, sub-folders included; names that begin with a dot are left out.
 *
 * Files are sorted by path, so the data set is the same on every machine. A file that is no picture, is corrupt,
 * truncated or too large is skipped and listed in `skipped`.
 *
 * @throws NoImagesError when nothing is left; Error when the folder cannot be read.
 */
export async function imageFolder(folder: string, options: ImageFolderOptions): Promise<ImageDataset> {
  let entries;
  try {
    if (!(await stat(folder)).isDirectory()) throw new Error('it is not a folder');
    entries = await readdir(folder, { recursive: true, withFileTypes: true });
  } catch (error) {
    throw new Error(`imageFolder: cannot read ${folder}: ${(error as Error).message}`, { cause: error });
  }
  const files = entries
    .filter((entry) => entry.isFile() || entry.isSymbolicLink())
    .map((entry) => relative(folder, join(entry.parentPath, entry.name)).split(sep).join('/'))
    .filter((file) => !file.split('/').some((name) => name.startsWith('.')))
    .sort();
  return imageFiles(folder, files, options);
}

/**
 * Open the given files of a folder, in the given order. See `imageFolder`.
 *
 * @param files - Paths relative to the folder.
 */
export async function imageFiles(
  folder: string,
  files: readonly string[],
  options: ImageFolderOptions,
): Promise<ImageDataset> {
  const { cacheBytes = 2 ** 30, classOf, onProgress, workers = defaultWorkers() } = options;
  const settings = decodeSettings(options);
  const shape = [settings.height, settings.width, settings.channels] as const;
  const size = shape[0] * shape[1] * shape[2];
  const pool = new DecodePool(settings, workers);
  try {
    const kept: string[] = [];
    const skipped: SkippedFile[] = [];
    const cache: Uint8Array[] = [];
    let done = 0;
    // Files are handed to the pool a window at a time: results are taken in order and memory stays bounded.
    const window = Math.max(1, workers) * 8;
    for (let start = 0; start < files.length; start += window) {
      const chunk = files.slice(start, start + window);
      const decoded = await Promise.all(chunk.map((file) => pool.decode(join(folder, file))));
      decoded.forEach((result, i) => {
        const file = chunk[i] as string;
        if (!result.ok) {
          skipped.push({ file, reason: result.reason });
          return;
        }
        if ((kept.length + 1) * size <= cacheBytes) cache.push(result.pixels);
        kept.push(file);
      });
      done += chunk.length;
      onProgress?.(done, files.length);
    }
    if (kept.length === 0) throw new NoImagesError(folder, skipped);
    if (cache.length === kept.length) pool.close();
    return new DecodedImages({ folder, files: kept, skipped, shape, cache, pool, classOf });
  } catch (error) {
    pool.close();
    throw error;
  }
}

/** Options to settings that cross threads, defaults filled in, values checked. */
function decodeSettings(options: ImageFolderOptions): DecodeSettings {
  const { size, channels = 3, background = '#fff', fit = 'cover', maxPixels = 2 ** 26 } = options;
  const [height, width] = typeof size === 'number' ? [size, size] : size;
  for (const side of [height, width]) {
    if (!Number.isSafeInteger(side) || side < 1) {
      throw new RangeError(`imageFolder: size must be a positive whole number of pixels, got ${String(size)}`);
    }
  }
  if (channels !== 1 && channels !== 3) {
    throw new RangeError(`imageFolder: channels must be 1 (grey) or 3 (RGB), got ${String(channels)}`);
  }
  return { height, width, channels, background, fit, maxPixels };
}

interface DecodedParts {
  readonly folder: string;
  readonly files: readonly string[];
  readonly skipped: readonly SkippedFile[];
  readonly shape: readonly [number, number, number];
  /** Pixels of the first pictures; the others are decoded on demand. */
  readonly cache: readonly Uint8Array[];
  readonly pool: DecodePool;
  readonly classOf: ((file: string) => string) | undefined;
}

class DecodedImages implements ImageDataset {
  readonly files: readonly string[];
  readonly skipped: readonly SkippedFile[];
  readonly shape: readonly [number, number, number];
  readonly classes: readonly string[];
  readonly #folder: string;
  readonly #cache: readonly Uint8Array[];
  readonly #pool: DecodePool;
  readonly #labels: readonly number[] | undefined;

  constructor({ folder, files, skipped, shape, cache, pool, classOf }: DecodedParts) {
    this.files = files;
    this.skipped = skipped;
    this.shape = shape;
    this.#folder = folder;
    this.#cache = cache;
    this.#pool = pool;
    const names = classOf ? files.map(classOf) : [];
    this.classes = [...new Set(names)].sort();
    const number = new Map(this.classes.map((name, label) => [name, label]));
    this.#labels = classOf ? names.map((name) => number.get(name) as number) : undefined;
  }

  get length(): number {
    return this.files.length;
  }

  get(index: number): ImageItem | Promise<ImageItem> {
    const file = this.files[index];
    if (file === undefined) throw new RangeError(`ImageDataset.get: no picture ${index} among ${this.length}`);
    const label = this.#labels?.[index];
    const item = (pixels: Uint8Array): ImageItem => ({
      pixels,
      shape: this.shape,
      ...(label === undefined ? {} : { label }),
    });
    const cached = this.#cache[index];
    if (cached) return item(cached);
    return this.#pool.decode(join(this.#folder, file)).then((decoded) => {
      if (decoded.ok) return item(decoded.pixels);
      throw new Error(
        `ImageDataset.get: ${file} could be decoded when the folder was opened, but no longer: ${decoded.reason}`,
      );
    });
  }

  collate(items: readonly ImageItem[]): ImageBatch {
    return collateImages(items);
  }

  dispose(): void {
    this.#pool.close();
  }

  [Symbol.dispose](): void {
    this.dispose();
  }
}
