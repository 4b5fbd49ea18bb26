import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { gzipSync } from 'node:zlib';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { fashionMnist } from './fashion-mnist.ts';
import { parseIdx } from './idx.ts';

/** An IDX file of bytes. */
function idx(shape: readonly number[], data: readonly number[]): Buffer {
  const header = Buffer.alloc(4 + 4 * shape.length);
  header[2] = 8;
  header[3] = shape.length;
  shape.forEach((side, axis) => header.writeUInt32BE(side, 4 + 4 * axis));
  return Buffer.concat([header, Buffer.from(data)]);
}

let folder: string;
const write = async (images: Buffer, labels: Buffer): Promise<void> => {
  await writeFile(join(folder, 'train-images-idx3-ubyte.gz'), gzipSync(images));
  await writeFile(join(folder, 'train-labels-idx1-ubyte.gz'), gzipSync(labels));
};

beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'fashion-'));
});
afterAll(async () => {
  await rm(folder, { recursive: true });
});

test('reads pictures and labels, with a margin where asked', async () => {
  await write(idx([2, 2, 2], [1, 2, 3, 4, 5, 6, 7, 8]), idx([2], [9, 0]));
  const plain = await fashionMnist(folder, { size: 2 });
  expect(plain.length).toBe(2);
  expect(await plain.get(1)).toEqual({ pixels: Uint8Array.of(5, 6, 7, 8), shape: [2, 2, 1], label: 0 });
  const padded = await fashionMnist(folder, { size: 4 });
  expect([...(await padded.get(0)).pixels]).toEqual([0, 0, 0, 0, 0, 1, 2, 0, 0, 3, 4, 0, 0, 0, 0, 0]);
  expect(padded.classes[9]).toBe('Ankle boot');
  expect(() => plain.get(2)).toThrow('no picture 2 among 2');
});

test('names what is wrong with the files', async () => {
  await write(idx([2, 2, 2], [1, 2, 3]), idx([2], [9, 0]));
  await expect(fashionMnist(folder, { size: 2 })).rejects.toThrow(
    'has 3 bytes of values where its shape [2, 2, 2] needs 8',
  );
  await write(idx([1, 1, 1], [1]), idx([2], [9, 0]));
  await expect(fashionMnist(folder, { size: 2 })).rejects.toThrow('images have shape [1, 1, 1] and labels [2]');
  await write(idx([1, 1, 1], [1]), idx([1], [10]));
  await expect(fashionMnist(folder, { size: 2 })).rejects.toThrow('label 10 of picture 0');
  await write(idx([1, 4, 4], new Array<number>(16).fill(0)), idx([1], [1]));
  await expect(fashionMnist(folder, { size: 3 })).rejects.toThrow('at least 4, got 3');
  await expect(fashionMnist(folder, { split: 'test' })).rejects.toThrow('dataset-fashion-mnist has the files');
  await writeFile(join(folder, 'train-images-idx3-ubyte.gz'), 'no gzip');
  await expect(fashionMnist(folder)).rejects.toThrow('cannot read');
});

test('hostile headers are refused before anything is allocated', () => {
  expect(() => parseIdx(Buffer.of(1, 2, 3), 'f')).toThrow('f is not an IDX file');
  expect(() => parseIdx(Buffer.of(0, 0, 0x0d, 1, 0, 0, 0, 0), 'f')).toThrow('holds values of type 13');
  expect(() => parseIdx(Buffer.of(0, 0, 8, 0), 'f')).toThrow('has 0 axes');
  expect(() => parseIdx(Buffer.of(0, 0, 8, 3, 0, 0), 'f')).toThrow('is truncated: 6 bytes, the header alone has 16');
  const big = Buffer.alloc(20, 255);
  big.set([0, 0, 8, 4]);
  expect(() => parseIdx(big, 'f')).toThrow('needs 3.4');
});
