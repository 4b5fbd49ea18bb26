/** Files of compiled programs: whatever happens to them, they are whole or absent. */
import { createHash } from 'node:crypto';
import {
  mkdirSync,
  mkdtempSync,
  readFileSync,
  readdirSync,
  rmSync,
  symlinkSync,
  utimesSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, test, vi } from 'vitest';
import { executableKey } from './engine-identity.ts';
import { ExecutableStore } from './executable-store.ts';

let folder: string;
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'tesserae-store-'));
});
afterEach(() => {
  rmSync(folder, { recursive: true, force: true });
});

const keyOf = (name: string): string => createHash('sha256').update(name).digest('hex');
const program = (text: string) => ({ kind: 'program', bytes: Buffer.from(text) }) as const;
const pathOf = (name: string): string => join(folder, `${keyOf(name)}.xla`);

test('gives back what was written, and nothing else', () => {
  const store = new ExecutableStore({ folder });
  store.write(keyOf('a'), program('machine code'));
  store.write(keyOf('b'), { kind: 'refusal', reason: 'LessThan is not serializable' });
  store.write(keyOf('empty'), program(''));
  expect(new ExecutableStore({ folder }).read(keyOf('a'))).toEqual(program('machine code'));
  expect(store.read(keyOf('b'))).toEqual({ kind: 'refusal', reason: 'LessThan is not serializable' });
  expect(store.read(keyOf('empty'))).toEqual(program(''));
  expect(store.read(keyOf('c'))).toBeUndefined();
  expect(readdirSync(folder)).toHaveLength(3);
});

describe('a file that is not as it was written counts as absent and is deleted:', () => {
  const flip = (at: number) => (file: Buffer) => {
    file.writeUInt8(file.readUInt8(at) ^ 1, at);
    return file;
  };
  const damages: [string, (file: Buffer) => Buffer][] = [
    ['empty', () => Buffer.alloc(0)],
    ['cut in the head', (file) => file.subarray(0, 60)],
    ['cut by one byte', (file) => file.subarray(0, -1)],
    ['one byte longer', (file) => Buffer.concat([file, Buffer.of(0)])],
    ['of another format', flip(7)],
    ['of an unknown kind', flip(9)],
    ['with an unknown field', flip(12)],
    ['of another length', flip(16)],
    ['of another program', flip(24)],
    ['with another checksum', flip(87)],
    ['with one other bit', (file) => flip(file.byteLength - 1)(file)],
    ['something else', () => Buffer.from('#!/bin/sh\n'.repeat(40))],
  ];
  test.each(damages)('%s', (_name, damage) => {
    const store = new ExecutableStore({ folder });
    store.write(keyOf('a'), program('machine code'));
    writeFileSync(pathOf('a'), damage(readFileSync(pathOf('a'))));
    expect(store.read(keyOf('a'))).toBeUndefined();
    expect(readdirSync(folder)).toEqual([]);
    store.write(keyOf('a'), program('again'));
    expect(store.read(keyOf('a'))).toEqual(program('again'));
  });
});

test('the least recently used go when there is no more room', () => {
  const store = new ExecutableStore({ folder, maxBytes: 5 * (88 + 100) });
  const hundred = program('x'.repeat(100));
  const names = ['a', 'b', 'c', 'd', 'e'];
  names.forEach((name, i) => {
    store.write(keyOf(name), hundred);
    utimesSync(pathOf(name), 1000 + i, 1000 + i);
  });
  expect(store.read(keyOf('a'))).toEqual(hundred); // now the youngest
  store.write(keyOf('f'), hundred);
  const kept = ['a', 'b', 'c', 'd', 'e', 'f'].filter((name) => store.read(keyOf(name)) !== undefined);
  expect(kept).toEqual(['a', 'd', 'e', 'f']);
  expect(store.list().reduce((sum, { bytes }) => sum + bytes, 0)).toBeLessThanOrEqual(store.maxBytes);
  // What is larger than all the room is not worth the others.
  store.write(keyOf('large'), program('x'.repeat(10_000)));
  expect(store.list()).toHaveLength(4);
});

test('lists by last use and clears all of its own, also what a dead process left', () => {
  const store = new ExecutableStore({ folder });
  store.write(keyOf('a'), program('1'));
  store.write(keyOf('b'), program('22'));
  utimesSync(pathOf('a'), 2000, 2000);
  utimesSync(pathOf('b'), 1000, 1000);
  writeFileSync(join(folder, `.${keyOf('c')}.123.abcdef`), 'half');
  writeFileSync(join(folder, 'notes.txt'), 'mine');
  expect(store.list().map(({ path, bytes }) => [path, bytes])).toEqual([
    [pathOf('b'), 90],
    [pathOf('a'), 89],
  ]);
  expect(store.clear()).toBe(2);
  expect(readdirSync(folder)).toEqual(['notes.txt']);
  expect(new ExecutableStore({ folder: join(folder, 'none') }).list()).toEqual([]);
  expect(new ExecutableStore({ folder: join(folder, 'none') }).clear()).toBe(0);
});

test('a folder that cannot be written is said once, and does no harm', () => {
  const warn = vi.spyOn(process, 'emitWarning').mockImplementation(() => {});
  writeFileSync(join(folder, 'file'), '');
  const store = new ExecutableStore({ folder: join(folder, 'file') });
  store.write(keyOf('a'), program('1'));
  store.write(keyOf('b'), program('1'));
  expect(warn.mock.calls.map(([text]) => text)).toEqual([expect.stringMatching(/cannot be kept in .*file \(E/)]);
  expect(store.read(keyOf('a'))).toBeUndefined();
  mkdirSync(pathOf('a'));
  expect(new ExecutableStore({ folder }).read(keyOf('a'))).toBeUndefined();
  warn.mockRestore();
});

test('the key depends on every part, and on where one ends', () => {
  const of = (identity: string, options: string, text: string): string =>
    executableKey(identity, Buffer.from(options), text);
  const keys = [of('a', 'b', 'c'), of('ab', '', 'c'), of('a', '', 'bc'), of('a', 'b', 'd'), of('x', 'b', 'c')];
  expect(new Set(keys).size).toBe(keys.length);
  expect(of('a', 'b', 'c')).toBe(keys[0]);
});

test('refuses a limit that is none', () => {
  expect(() => new ExecutableStore({ folder, maxBytes: 0 })).toThrow(/maxBytes must be above 0, but got 0/);
});

test('folders, links and loops under names of ours are no programs, and make way', () => {
  const store = new ExecutableStore({ folder });
  const [elsewhere, precious] = [join(folder, 'elsewhere'), join(folder, 'precious')];
  mkdirSync(pathOf('folder'));
  symlinkSync(pathOf('loop'), pathOf('loop'));
  symlinkSync(elsewhere, pathOf('dangling'));
  writeFileSync(precious, 'not ours');
  symlinkSync(precious, pathOf('link'));
  expect(store.list()).toEqual([]);
  for (const name of ['folder', 'loop', 'dangling', 'link']) {
    expect(store.read(keyOf(name))).toBeUndefined();
    store.write(keyOf(name), program(name));
    expect(store.read(keyOf(name))).toEqual(program(name));
  }
  expect(readFileSync(precious, 'utf8')).toBe('not ours');
  expect(store.clear()).toBe(4);
  expect(readdirSync(folder)).toEqual(['precious']);
});

test('one program that cannot be written does not keep others from it', () => {
  const warn = vi.spyOn(process, 'emitWarning').mockImplementation(() => {});
  const store = new ExecutableStore({ folder });
  mkdirSync(join(pathOf('a'), 'inside'), { recursive: true });
  store.write(keyOf('a'), program('a'));
  store.write(keyOf('b'), program('b'));
  expect(store.read(keyOf('b'))).toEqual(program('b'));
  expect(warn).not.toHaveBeenCalled();
  warn.mockRestore();
});
