import { mkdtemp, readdir, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { tf, useEngine } from '@tesserae/tensor';
import sharp from 'sharp';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { hostTensor } from './host-tensor.ts';
import { writeGrid } from './write-grid.ts';

let folder: string;
beforeAll(async () => {
  await useEngine('cpu');
  folder = await mkdtemp(join(tmpdir(), 'grid-'));
});
afterAll(async () => {
  await rm(folder, { recursive: true });
});

test('places pictures in rows, scaled, with gaps, and clips values', async () => {
  const file = join(folder, 'deep', 'grid.png');
  await writeGrid(file, hostTensor(Float32Array.of(-1, 1, 3), [3, 1, 1, 1]), {
    columns: 2,
    gap: 1,
    scale: 2,
    background: 9,
  });
  const { data, info } = await sharp(file).extractChannel(0).raw().toBuffer({ resolveWithObject: true });
  expect([info.width, info.height]).toEqual([7, 7]);
  const rows = Array.from({ length: 7 }, (_, y) => [...data.subarray(y * 7, y * 7 + 7)]);
  expect(rows[0]).toEqual([9, 9, 9, 9, 9, 9, 9]);
  expect(rows[1]).toEqual([9, 0, 0, 9, 255, 255, 9]);
  expect(rows[2]).toEqual(rows[1]);
  expect(rows[5]).toEqual([9, 255, 255, 9, 9, 9, 9]);
  expect(await readdir(join(folder, 'deep'))).toEqual(['grid.png']);
});

test('takes a tensor, which stays the caller’s', async () => {
  const images = tf.zeros([4, 3, 5, 3]);
  const before = tf.memory().numTensors;
  await writeGrid(join(folder, 'tensor.png'), images);
  expect(tf.memory().numTensors).toBe(before);
  const { width, height } = await sharp(join(folder, 'tensor.png')).metadata();
  expect([width, height]).toEqual([2 * 5 + 6, 2 * 3 + 6]);
});

test('refuses what is no batch of pictures, NaN, and options out of range; writes nothing', async () => {
  const file = join(folder, 'none.png');
  const one = hostTensor(Float32Array.of(0), [1, 1, 1, 1]);
  await expect(writeGrid(file, hostTensor(new Float32Array(4), [2, 2]))).rejects.toThrow('got [2, 2]');
  await expect(writeGrid(file, hostTensor(Float32Array.of(NaN), [1, 1, 1, 1]))).rejects.toThrow('picture 0 has NaN');
  await expect(writeGrid(file, one, { scale: 0.5 })).rejects.toThrow('scale must be a whole number');
  expect(await readdir(folder)).not.toContain('none.png');
});

test('a place that cannot be written is an error that names it', async () => {
  await writeFile(join(folder, 'file'), '');
  const one = hostTensor(Float32Array.of(0), [1, 1, 1, 1]);
  await expect(writeGrid(join(folder, 'file', 'grid.png'), one)).rejects.toThrow(/cannot write .*grid\.png/);
  await expect(writeGrid(folder, one)).rejects.toThrow('cannot write');
  expect((await readdir(tmpdir())).filter((name) => name.includes('.partial'))).toEqual([]);
});
