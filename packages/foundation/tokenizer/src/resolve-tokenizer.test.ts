import { mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { pathToFileURL } from 'node:url';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { patchFactory } from './patch-tokenizer.fixture.ts';
import { resolveTokenizer } from './resolve-tokenizer.ts';
import { UnknownTokenizerError } from './unknown-tokenizer-error.ts';

let from: string;
const known = { vq: patchFactory(), fsq: patchFactory() };

beforeAll(async () => {
  from = await mkdtemp(join(tmpdir(), 'resolve-'));
  const source = "export const tokenizer = { kind: 'mine', create: (config) => ({ config }) };";
  await writeFile(join(from, 'mine.mjs'), source);
  await writeFile(join(from, 'typed.ts'), `const kind: string = 'typed'; export default { kind, create: () => ({}) };`);
  await writeFile(join(from, 'other.mjs'), 'export const encode = 1, decode = 2;');
  await writeFile(join(from, 'half.mjs'), "export const tokenizer = { kind: 'half' };");
  await writeFile(join(from, 'broken.mjs'), "throw new Error('it fell over');");
  const installed = join(from, 'node_modules', '@someone', 'tokens');
  await mkdir(installed, { recursive: true });
  await writeFile(join(installed, 'index.mjs'), source);
  await writeFile(
    join(installed, 'package.json'),
    JSON.stringify({ name: '@someone/tokens', version: '1.0.0', exports: './index.mjs' }),
  );
});
afterAll(async () => {
  await rm(from, { recursive: true });
});

test('a known name, a file, a file URL, TypeScript, a package', async () => {
  expect(await resolveTokenizer('vq', known)).toBe(known.vq);
  expect((await resolveTokenizer('./mine.mjs', known, { from })).kind).toBe('mine');
  expect((await resolveTokenizer('mine.mjs', known, { from })).kind).toBe('mine');
  expect((await resolveTokenizer(join(from, 'mine.mjs'), known)).kind).toBe('mine');
  expect((await resolveTokenizer(pathToFileURL(join(from, 'mine.mjs')).href, known)).kind).toBe('mine');
  expect((await resolveTokenizer('./typed.ts', known, { from })).kind).toBe('typed');
  expect((await resolveTokenizer('@someone/tokens', known, { from })).kind).toBe('mine');
});

test('what is unknown lists what is known', async () => {
  const failure = await resolveTokenizer('vqq', known, { from }).catch((error: unknown) => error);
  expect(failure).toBeInstanceOf(UnknownTokenizerError);
  expect((failure as Error).message).toContain("no tokenizer 'vqq'");
  expect((failure as Error).message).toContain('Known names are vq, fsq');
  await expect(resolveTokenizer('./gone.ts', known, { from })).rejects.toThrow(`no file ${join(from, 'gone.ts')}`);
  await expect(resolveTokenizer('no name; at all', known, { from })).rejects.toThrow('neither a name nor a path');
  await expect(resolveTokenizer('toString', known, { from })).rejects.toThrow(UnknownTokenizerError);
});

test('a module without a factory is told what to export, and one that throws is named', async () => {
  await expect(resolveTokenizer('./other.mjs', known, { from })).rejects.toThrow(
    /exports (encode, decode|decode, encode), but no `tokenizer`; it must export const tokenizer: TokenizerFactory/,
  );
  await expect(resolveTokenizer('./half.mjs', known, { from })).rejects.toThrow('without `kind` and `create`');
  await expect(resolveTokenizer('./broken.mjs', known, { from })).rejects.toThrow('cannot be loaded: it fell over');
});
