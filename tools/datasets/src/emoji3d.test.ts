import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { baseCodePoint, emoji3d } from './emoji3d.ts';

test('finds the 3,391 pictures', () => {
  const { folder, files } = emoji3d();
  expect(files).toHaveLength(3391);
  expect(files).toEqual([...files].sort());
  expect(existsSync(join(folder, '1f44b-1f3fd.webp'))).toBe(true);
});

test('every file has a base code point, and skin tones share it', () => {
  const groups = new Set(emoji3d().files.map(baseCodePoint));
  expect(groups.size).toBe(1429);
  expect(baseCodePoint('1f44b-1f3fd.webp')).toBe('1f44b');
  expect(baseCodePoint('1f44b.webp')).toBe('1f44b');
  expect(baseCodePoint('0023-fe0f-20e3.webp')).toBe('0023');
  expect(() => baseCodePoint('cat.webp')).toThrow('cat.webp does not begin with a code point');
});
