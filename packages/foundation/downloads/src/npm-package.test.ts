import { mkdir, mkdtemp, readdir, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { PluginIntegrityError, PluginUnavailableError } from './errors.ts';
import { fetchNpmPackage } from './npm-package.ts';
import { startFakeRegistry } from './testing/fake-registry.ts';
import { tarball, type TarMember } from './testing/tarball.ts';
import { unpackTarball } from './unpack-tarball.ts';

let home: string;
let target: string;
beforeEach(async () => {
  home = await mkdtemp(join(tmpdir(), 'tesserae-npm-'));
  target = join(home, 'target');
  await mkdir(target);
});
afterEach(() => rm(home, { recursive: true, force: true }));

const env = (more: Record<string, string>): Record<string, string> => ({ PATH: process.env['PATH'] ?? '', ...more });

test('a pinned package is fetched by npm and unpacked without its scripts', async () => {
  await using registry = await startFakeRegistry();
  const pin = registry.add('@toy/addon', [{ name: 'package/binding/a.cc', content: 'int a;' }]);
  const options = { home, env: env(registry.environment(join(home, 'cache'))) };
  await fetchNpmPackage(pin, target, options);
  expect((await readdir(target, { recursive: true })).sort()).toEqual(['binding', 'binding/a.cc', 'package.json']);
  expect(await readFile(join(target, 'binding/a.cc'), 'utf8')).toBe('int a;');
  expect(await readdir(join(home, 'downloads'))).toEqual([]);

  const other = fetchNpmPackage({ ...pin, sha256: '0'.repeat(64) }, join(home, 'elsewhere'), options);
  await expect(other).rejects.toThrow(PluginIntegrityError);
  await expect(other).rejects.toThrow(pin.sha256);

  const missing = fetchNpmPackage({ ...pin, name: '@toy/missing' }, target, options);
  await expect(missing).rejects.toThrow(PluginUnavailableError);
  await expect(missing).rejects.toThrow('npm config get registry');
});

test('without npm the error says so', async () => {
  const pin = { name: 'toy', version: '1.0.0', sha256: '' };
  await expect(fetchNpmPackage(pin, target, { home, env: { PATH: '/nowhere' } })).rejects.toThrow('Install npm');
});

const evil: readonly [string, readonly TarMember[]][] = [
  ['a parent folder', [{ name: 'package/../../escaped', content: 'x' }]],
  ['an absolute name', [{ name: '/tmp/tesserae-escaped', content: 'x' }]],
  ['a name outside package/', [{ name: 'escaped', content: 'x' }]],
  ['a symbolic link', [{ name: 'package/link', content: '', type: '2' }]],
  ['a hard link', [{ name: 'package/link', content: '', type: '1' }]],
  ['a long-name record', [{ name: 'package/x', content: 'path=../../escaped', type: 'x' }]],
  ['two members of one name', Array<TarMember>(2).fill({ name: 'package/twice', content: 'x' })],
];
test.each(evil)('a package with %s is refused', async (_, members) => {
  const file = join(home, 'evil.tgz');
  await writeFile(file, tarball(members));
  await expect(unpackTarball(file, target)).rejects.toThrow(PluginIntegrityError);
  expect((await readdir(target)).filter((name) => name !== 'twice')).toEqual([]);
});

test('a damaged, cut off or swollen package is refused', async () => {
  const { gunzipSync, gzipSync } = await import('node:zlib');
  const file = join(home, 'bad.tgz');
  const tar = gunzipSync(tarball([{ name: 'package/a', content: 'x'.repeat(2000) }]));
  const refused = async (bytes: Buffer, why: string, limit?: number): Promise<void> => {
    await writeFile(file, bytes);
    await expect(unpackTarball(file, target, limit)).rejects.toThrow(why);
  };
  await refused(Buffer.from('no gzip'), 'not a readable gzip file');
  await refused(gzipSync(tar.subarray(0, 1024)), 'ends inside "package/a"');
  await refused(gzipSync(tar), 'more than 1000 bytes', 1000);
  const damaged = Buffer.from(tar);
  damaged[3]! ^= 1;
  await refused(gzipSync(damaged), 'damaged');
  expect(await readdir(target)).toEqual([]);
});
