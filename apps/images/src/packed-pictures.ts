/**
 * A set of decoded pictures in one file: opened in a moment, and on machines without an image library.
 *
 * A safetensors file with `images`, bytes `[count, height, width, channels]`, and `labels`, int32 `[count]`, where there
 * are classes. Its metadata hold `groups`, the name of each picture's group, and `classes`, both JSON arrays.
 */
import { collateImages, type ImageItem } from '@tesserae/data';
import { openSafetensors, writeSafetensors } from '@tesserae/train';
import type { PictureSet } from './pictures.ts';

/** Pictures with their groups. */
export interface PackedPictures {
  readonly pictures: PictureSet;
  readonly shape: readonly [height: number, width: number, channels: number];
  /** Group of each picture: groups are held out whole. */
  readonly groups: readonly string[];
  readonly classes: readonly string[];
}

/** Writes pictures to a file. */
export async function writePacked(file: string, { pictures, shape, groups, classes }: PackedPictures): Promise<void> {
  const size = shape[0] * shape[1] * shape[2];
  const images = new Uint8Array(pictures.length * size);
  const labels = new Int32Array(pictures.length);
  for (let i = 0; i < pictures.length; i++) {
    const item = await pictures.get(i);
    images.set(item.pixels, i * size);
    labels[i] = item.label ?? 0;
  }
  await writeSafetensors(
    file,
    {
      images: { data: images, shape: [pictures.length, ...shape], dtype: 'uint8' },
      ...(classes.length > 0 && { labels: { data: labels, shape: [pictures.length], dtype: 'int32' as const } }),
    },
    { groups: JSON.stringify(groups), classes: JSON.stringify(classes) },
  );
}

/**
 * Reads a file that `writePacked` wrote.
 *
 * @throws SafetensorsError when the file is damaged; Error when it holds something else.
 */
export async function readPacked(file: string): Promise<PackedPictures> {
  await using content = await openSafetensors(file);
  const info = content.info('images');
  if (info === undefined || info.shape.length !== 4 || info.format !== 'U8') {
    throw new Error(`${file} holds no packed pictures: it needs 'images', bytes [count, height, width, channels].`);
  }
  const [count, height, width, channels] = info.shape as readonly [number, number, number, number];
  const groups = names(content.metadata['groups'], `${file}: groups`, count);
  const classes = names(content.metadata['classes'], `${file}: classes`);
  const { data } = await content.values('images');
  const pixels = Uint8Array.from(data);
  const labels = content.info('labels') === undefined ? undefined : (await content.values('labels')).data;
  if (labels !== undefined && labels.length !== count) {
    throw new Error(`${file} has ${labels.length} labels for ${count} pictures.`);
  }
  const shape = [height, width, channels] as const;
  const size = height * width * channels;
  return {
    shape,
    groups,
    classes,
    pictures: {
      length: count,
      get: (i): ImageItem => ({
        pixels: pixels.subarray(i * size, (i + 1) * size),
        shape,
        ...(labels !== undefined && { label: labels[i] as number }),
      }),
      collate: collateImages,
    },
  };
}

function names(text: string | undefined, what: string, count?: number): string[] {
  let value: unknown;
  try {
    value = JSON.parse(text ?? '[]');
  } catch (error) {
    throw new Error(`${what} are not JSON.`, { cause: error });
  }
  if (
    !Array.isArray(value) ||
    value.some((name) => typeof name !== 'string') ||
    (count !== undefined && value.length !== count)
  ) {
    throw new Error(`${what} must be ${count ?? 'some'} names.`);
  }
  return value as string[];
}
