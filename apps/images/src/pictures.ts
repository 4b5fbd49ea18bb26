/** Pictures for training and pictures held out, from a named set or a person's own folder. */
import { basename } from 'node:path';
import {
  fashionMnist,
  imageFiles,
  imageFolder,
  splitBy,
  subset,
  type Dataset,
  type ImageBatch,
  type ImageDataset,
  type ImageFolderOptions,
  type ImageItem,
  type SkippedFile,
} from '@tesserae/data';
import { baseCodePoint, emoji3d } from '@tesserae/datasets';
import { progressTarget } from '@tesserae/train';
import { readPacked, type PackedPictures } from './packed-pictures.ts';

/** What pictures to open. Plain JSON: it is kept in the run's folder. */
export interface PictureConfig {
  /** `emoji`, `fashion-mnist`, the path of a folder, or of a file that `pack` wrote. */
  readonly images: string;
  /** Side in pixels. */
  readonly size: number;
  /** Whether the prior learns classes. */
  readonly classes: boolean;
  /** Decides which pictures are held out. */
  readonly seed: number;
}

/** One side of a split. */
export type PictureSet = Dataset<ImageItem, ImageBatch>;

/** Pictures of one shape, split. */
export interface Pictures extends Disposable {
  readonly shape: readonly [height: number, width: number, channels: number];
  readonly train: PictureSet;
  readonly heldOut: PictureSet;
  /** Names of the classes; empty where there are none. */
  readonly classes: readonly string[];
  /** Whether a mirrored picture is a picture of the same kind. */
  readonly mirror: boolean;
  readonly skipped: readonly SkippedFile[];
}

/** Share of the pictures that are held out. */
const heldOutShare = 0.1;
/** Where Debian's package puts the set. */
const fashionMnistFolder = '/usr/share/datasets/fashion-mnist';

/**
 * Opens pictures and says what was found and what was left out.
 *
 * @throws NoImagesError when a folder has no usable picture; Error when it cannot be read.
 */
export async function openPictures(config: PictureConfig): Promise<Pictures> {
  const { images, size, classes, seed } = config;
  if (images === 'fashion-mnist') return openFashionMnist(config);
  if (images.endsWith('.safetensors')) {
    const packed = await readPacked(images);
    const [height, width] = packed.shape;
    if (height !== size || width !== size) {
      throw new Error(
        `${images} holds pictures of ${height}×${width}; give --size ${height}, or pack them at ${size}.`,
      );
    }
    console.log(`pictures: ${images}, ${packed.pictures.length} of ${packed.shape.join('×')}`);
    return split(images, packed, classes ? packed.classes : [], seed, [], () => {});
  }
  const { dataset, groups } = await openFiles(config);
  const packed = { pictures: dataset, shape: dataset.shape, groups, classes: dataset.classes };
  return split(images, packed, dataset.classes, seed, dataset.skipped, () => dataset.dispose());
}

/** All pictures of a folder or of the emoji, with the groups that a split keeps together. */
export async function openFiles({
  images,
  size,
  classes,
}: PictureConfig): Promise<{ dataset: ImageDataset; groups: string[] }> {
  const options: ImageFolderOptions = { size, ...progress(), ...(classes && { classOf: firstFolder }) };
  let dataset: ImageDataset;
  if (images === 'emoji') {
    if (classes) throw new Error('the emoji set has no classes; leave --classes out.');
    const { folder, files } = emoji3d();
    dataset = await imageFiles(folder, files, options);
  } else {
    dataset = await imageFolder(images, options);
  }
  report(images, dataset);
  // Variants of one emoji, and files of one name, stay on one side.
  const groupOf = images === 'emoji' ? baseCodePoint : (file: string): string => basename(file).replace(/\.\w+$/, '');
  return { dataset, groups: dataset.files.map(groupOf) };
}

function split(
  images: string,
  { pictures, shape, groups }: PackedPictures,
  classes: readonly string[],
  seed: number,
  skipped: readonly SkippedFile[],
  dispose: () => void,
): Pictures {
  if (new Set(groups).size < 2) {
    dispose();
    throw new Error(
      `${images} has ${groups.length} picture(s) in ${new Set(groups).size} group(s) (files of one name are a group); ` +
        'at least 2 are needed: one side is held out.',
    );
  }
  const positions = groups.map((_, i) => i);
  const { train, heldOut } = splitBy(positions, (i) => groups[i] as string, heldOutShare, seed);
  return {
    shape,
    train: subset(pictures, train),
    heldOut: subset(pictures, heldOut),
    classes,
    mirror: true,
    skipped,
    [Symbol.dispose]: dispose,
  };
}

async function openFashionMnist({ size, classes }: PictureConfig): Promise<Pictures> {
  const folder = process.env['TESSERAE_FASHION_MNIST'] ?? fashionMnistFolder;
  const options = { size: Math.max(size, 28) };
  const train = await fashionMnist(folder, { split: 'train', ...options });
  const heldOut = await fashionMnist(folder, { split: 'test', ...options });
  console.log(`pictures: fashion-mnist, ${train.length} to train on, ${heldOut.length} held out`);
  return {
    shape: train.shape,
    train,
    heldOut,
    classes: classes ? train.classes : [],
    mirror: true,
    skipped: [],
    [Symbol.dispose]: () => {},
  };
}

const firstFolder = (file: string): string => {
  const [folder, ...rest] = file.split('/');
  return rest.length === 0 ? '(no folder)' : (folder as string);
};

/** A line while thousands of files are decoded. */
function progress(): Pick<ImageFolderOptions, 'onProgress'> {
  const target = progressTarget();
  return {
    onProgress: (done, total) => target.progress(`reading pictures ${done}/${total}`, done === total && total > 500),
  };
}

function report(images: string, { length, skipped, shape }: ImageDataset): void {
  console.log(`pictures: ${images}, ${length} of ${shape.join('×')}`);
  if (skipped.length === 0) return;
  console.log(`left out ${skipped.length} file(s):`);
  for (const { file, reason } of skipped.slice(0, 10)) console.log(`  ${file}: ${reason}`);
  if (skipped.length > 10) console.log(`  … and ${skipped.length - 10} more (all in skipped.json)`);
}
