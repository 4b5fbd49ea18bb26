import { mkdtemp, mkdir, readFile, rm, symlink, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import sharp, { type Sharp } from 'sharp';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { imageFiles, imageFolder, NoImagesError } from './image-folder.ts';
import type { ImageItem } from './image-item.ts';
import { loader } from './loader.ts';

let folder: string;

/** A plain picture of one colour. */
function plain(color: string, width = 8, height = 8): Sharp {
  return sharp({ create: { width, height, channels: 4, background: color } });
}

beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'image-folder-'));
  await mkdir(join(folder, 'warm'));
  await mkdir(join(folder, '.hidden'));
  await plain('#ff0000')
    .png()
    .toFile(join(folder, 'warm', 'red.png'));
  await plain('#0000ff').jpeg({ quality: 100 }).toFile(join(folder, 'blue.jpg'));
  await plain('#00000000').webp({ lossless: true }).toFile(join(folder, 'clear.webp'));
  await plain('#808080').toColourspace('b-w').png().toFile(join(folder, 'grey.png'));
  await plain('#ffffff')
    .png()
    .toFile(join(folder, '.hidden', 'white.png'));
  await writeFile(join(folder, 'notes.txt'), 'not a picture');
  await writeFile(join(folder, 'empty.png'), '');
  await writeFile(join(folder, 'random.jpg'), Buffer.from(Array.from({ length: 500 }, (_, i) => (i * 37) % 256)));
  const noise = Buffer.from(Array.from({ length: 64 * 64 * 3 }, (_, i) => Math.imul(i, 0x9e3779b1) >>> 24));
  const whole = await sharp(noise, { raw: { width: 64, height: 64, channels: 3 } })
    .png()
    .toBuffer();
  await writeFile(join(folder, 'torn.png'), whole.subarray(0, whole.length / 2));
  const photograph = await sharp(noise, { raw: { width: 64, height: 64, channels: 3 } })
    .jpeg()
    .toBuffer();
  await writeFile(join(folder, 'torn.jpg'), photograph.subarray(0, photograph.length / 2));
  await plain('#00ff00', 300, 300).png().toFile(join(folder, 'huge.png'));
  await symlink(join(folder, 'nowhere.png'), join(folder, 'dangling.png'));
});

afterAll(async () => {
  await rm(folder, { recursive: true });
});

const options = { size: 4, maxPixels: 10_000 };
const first = (item: ImageItem): number[] => [...item.pixels.subarray(0, item.shape[2])];

test.each([0, 2])('good files in, others skipped, counted and named (%i workers)', async (workers) => {
  using images = await imageFolder(folder, { ...options, workers });
  expect(images.files).toEqual(['blue.jpg', 'clear.webp', 'grey.png', 'warm/red.png']);
  expect(images.shape).toEqual([4, 4, 3]);
  const reasons = Object.fromEntries(images.skipped.map(({ file, reason }) => [file, reason]));
  expect(Object.keys(reasons)).toEqual([
    'dangling.png',
    'empty.png',
    'huge.png',
    'notes.txt',
    'random.jpg',
    'torn.jpg',
    'torn.png',
  ]);
  expect(reasons['notes.txt']).toBe('not a picture');
  expect(reasons['huge.png']).toBe('more than 10000 pixels');
  expect(reasons['dangling.png']).toBe('cannot be opened');
  expect(reasons['torn.png']).toMatch(/^corrupt: /);
  expect(reasons['torn.jpg']).toMatch(/^corrupt: /);

  const colours = await Promise.all(images.files.map(async (_, i) => first(await images.get(i))));
  expect(colours[1]).toEqual([255, 255, 255]); // transparent on the white ground
  expect(colours[2]).toEqual([128, 128, 128]); // grey to RGB
  expect(colours[3]).toEqual([255, 0, 0]);
  expect((colours[0] as number[])[2]).toBeGreaterThan(250);
});

test('another background, grey output, classes', async () => {
  using images = await imageFolder(folder, {
    ...options,
    workers: 0,
    channels: 1,
    background: 'black',
    classOf: (file) => (file.includes('/') ? (file.split('/')[0] as string) : 'top'),
  });
  expect(images.shape).toEqual([4, 4, 1]);
  expect(first(await images.get(1))).toEqual([0]);
  expect(first(await images.get(2))).toEqual([128]);
  expect(images.classes).toEqual(['top', 'warm']);
  expect((await images.get(3)).label).toBe(1);
});

test('batches are float32 in [-1, 1], channels last', async () => {
  using images = await imageFolder(folder, { ...options, workers: 0, classOf: () => 'one' });
  const next = await loader(images, { batchSize: 4, shuffle: false }).next();
  if (next.done) throw new Error('no batch');
  const { images: batch, labels } = next.value;
  expect(batch.shape).toEqual([4, 4, 4, 3]);
  expect([...batch.data.slice(-3)]).toEqual([1, -1, -1]);
  expect(labels?.shape).toEqual([4]);
});

test('pictures past the cache are decoded again, to the same bytes', async () => {
  using all = await imageFolder(folder, { ...options, workers: 0 });
  using some = await imageFolder(folder, { ...options, workers: 1, cacheBytes: 100 });
  for (let i = 0; i < all.length; i++) expect(await some.get(i)).toEqual(await all.get(i));
});

test('a picture that goes bad after opening is an error that names it', async () => {
  const file = join(folder, 'blue.jpg');
  const bytes = await readFile(file);
  using images = await imageFiles(folder, ['blue.jpg'], { ...options, workers: 0, cacheBytes: 0 });
  await writeFile(file, 'gone');
  await expect(Promise.resolve().then(() => images.get(0))).rejects.toThrow('blue.jpg could be decoded when');
  await writeFile(file, bytes);
});

test('reports progress to the end', async () => {
  const seen: [number, number][] = [];
  using images = await imageFolder(folder, { ...options, workers: 0, onProgress: (...at) => seen.push(at) });
  expect(seen.at(-1)).toEqual([11, 11]);
  expect(images).toHaveLength(4);
});

test('an empty folder, a folder without pictures and no folder have errors of their own', async () => {
  const empty = join(folder, 'empty');
  await mkdir(empty);
  await expect(imageFolder(empty, options)).rejects.toThrow(`${empty} has no files`);
  await writeFile(join(empty, 'a.txt'), 'text');
  const failure = await imageFolder(empty, options).catch((error: unknown) => error);
  expect(failure).toBeInstanceOf(NoImagesError);
  expect((failure as Error).message).toContain('none of the 1 files');
  expect((failure as Error).message).toContain('a.txt (not a picture)');
  await expect(imageFolder(join(folder, 'missing'), options)).rejects.toThrow('cannot read');
  await expect(imageFolder(join(folder, 'grey.png'), options)).rejects.toThrow('it is not a folder');
  await rm(empty, { recursive: true });
});

test('refuses sizes that are none', async () => {
  await expect(imageFolder(folder, { size: 0 })).rejects.toThrow(
    'size must be a positive whole number of pixels, got 0',
  );
  await expect(imageFolder(folder, { size: 8, channels: 4 as 3 })).rejects.toThrow('channels must be 1 (grey) or 3');
  await expect(imageFolder(folder, { size: 8, workers: -1 })).rejects.toThrow('workers must be');
});
