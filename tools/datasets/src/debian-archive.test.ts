import { mkdir, mkdtemp, readdir, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { fashionMnistArchive, fetchDebianArchive, findDebianArchive, unpackDebianArchive } from './debian-archive.ts';

let cache: string;
beforeAll(async () => {
  cache = await mkdtemp(join(tmpdir(), 'debian-'));
});
afterAll(async () => {
  await rm(cache, { recursive: true });
});

test('finds what was unpacked before, without a download', async () => {
  const there = { ...fashionMnistArchive, name: 'there', folder: 'usr/share/datasets/nowhere-else' };
  expect(findDebianArchive(there, cache)).toBeUndefined();
  await mkdir(join(cache, 'there', there.folder), { recursive: true });
  expect(await fetchDebianArchive(there, cache)).toBe(join(cache, 'there', there.folder));
});

test('other bytes than the pinned ones are refused', async () => {
  const file = join(cache, 'other.deb');
  await writeFile(file, 'not the archive');
  await expect(unpackDebianArchive(file, fashionMnistArchive, join(cache, 'out'))).rejects.toThrow(
    /has SHA-256 [0-9a-f]{64}, expected 39e172fe/,
  );
  expect(await readdir(cache)).not.toContain('out');
});

test('a package that cannot be had is an error, and leaves nothing', async () => {
  const none = { ...fashionMnistArchive, name: 'no-such-data-set', folder: 'no/such/folder' };
  await expect(fetchDebianArchive(none, cache)).rejects.toThrow('cannot download no-such-data-set');
  expect((await readdir(cache)).filter((name) => name.includes('no-such'))).toEqual([]);
});
