/**
 * One picture file to bytes of a fixed shape. Runs in the decode workers (and in the main thread when there are none),
 * so it imports nothing but sharp.
 */
import sharp from 'sharp';

/** How every picture of a data set is brought to one shape. Plain data: it crosses threads. */
export interface DecodeSettings {
  readonly height: number;
  readonly width: number;
  /** 1 for grey, 3 for RGB. */
  readonly channels: 1 | 3;
  /** Colour under transparent pixels and in the margins of `contain`. */
  readonly background: string;
  /** How a picture of another aspect is fitted. */
  readonly fit: 'cover' | 'contain' | 'fill';
  /** A picture with more pixels than this is refused before it is decoded. */
  readonly maxPixels: number;
}

/** What became of a file. */
export type Decoded =
  { readonly ok: true; readonly pixels: Uint8Array<ArrayBuffer> } | { readonly ok: false; readonly reason: string };

// One picture at a time in each worker, and nothing kept: the cores belong to the training step.
sharp.concurrency(1);
sharp.cache(false);

/**
 * Decode, turn upright (EXIF), put on the background, resize.
 *
 * @returns `height · width · channels` bytes, channels last, or why the file is no usable picture. Never throws for a
 *   bad file.
 */
export async function decodePicture(file: string, settings: DecodeSettings): Promise<Decoded> {
  const { height, width, channels, background, fit, maxPixels } = settings;
  try {
    const { data, info } = await sharp(file, { limitInputPixels: maxPixels, failOn: 'error' })
      .autoOrient()
      .flatten({ background })
      .resize(width, height, { fit, background })
      .toColourspace(channels === 1 ? 'b-w' : 'srgb')
      .raw({ depth: 'uchar' })
      .toBuffer({ resolveWithObject: true });
    return { ok: true, pixels: toChannels(data, info.channels, channels, height * width) };
  } catch (error) {
    return { ok: false, reason: reasonOf(error, maxPixels) };
  }
}

/** Bytes of `from` channels a pixel to bytes of `to`: a grey file may come back with one, some with alpha. */
function toChannels(data: Uint8Array, from: number, to: number, count: number): Uint8Array<ArrayBuffer> {
  const pixels = new Uint8Array(count * to);
  for (let i = 0; i < count; i++) {
    for (let c = 0; c < to; c++) pixels[i * to + c] = data[i * from + (from < 3 ? 0 : c)] as number;
  }
  return pixels;
}

/** What sharp's message means to the owner of the folder. */
function reasonOf(error: unknown, maxPixels: number): string {
  const message = (error instanceof Error ? error.message : String(error)).trim().split('\n')[0] as string;
  if (/unsupported image format/i.test(message)) return 'not a picture';
  if (/exceeds pixel limit/i.test(message)) return `more than ${maxPixels} pixels`;
  if (/Input file is missing|unable to open|EACCES|permission/i.test(message)) return 'cannot be opened';
  return `corrupt: ${message}`;
}
