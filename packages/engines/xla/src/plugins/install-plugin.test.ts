import { mkdir, mkdtemp, readdir, readFile, rm, stat, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { installPlugin, type InstallOptions } from './install-plugin.ts';
import { listPlugins } from './installed-plugins.ts';
import { PluginIntegrityError, PluginUnavailableError, type InstallProgress } from '@tesserae/downloads';
import { PLUGINS, type PluginBuild } from './plugin-table.ts';
import { makeWheel, startFakeIndex, type FakeIndex, type Member } from '@tesserae/downloads/testing';
import { makeBuild } from './testing/make-build.ts';

let home: string;
let index: FakeIndex;
beforeEach(async () => {
  home = await mkdtemp(join(tmpdir(), 'tesserae-plugins-'));
  index = await startFakeIndex();
});
afterEach(async () => {
  await index[Symbol.asyncDispose]();
  await rm(home, { recursive: true, force: true });
});

const options = (builds: readonly PluginBuild[], more: InstallOptions = {}): InstallOptions => ({
  home,
  index: index.url,
  builds,
  env: {},
  retryDelay: 10,
  ...more,
});

/** Everything under the per-user folder, but for empty folders. */
async function contents(): Promise<string[]> {
  const entries = await readdir(home, { recursive: true, withFileTypes: true });
  return entries
    .filter((entry) => !entry.isDirectory())
    .map((entry) => join(entry.parentPath, entry.name).slice(home.length + 1))
    .sort();
}

test.each([false, true])('installs what is needed and nothing else (HTML page: %s)', async (html) => {
  const { build, pin, bytes } = makeBuild('toy-plugin');
  index.files.set(pin.file, bytes);
  index.html = html;
  const steps: InstallProgress[] = [];
  const plugin = await installPlugin('cpu', options([build], { onProgress: (step) => steps.push(step) }));

  expect(plugin).toMatchObject({ name: 'cpu', platform: 'cpu', version: '1.0', current: false });
  expect(await readFile(plugin.path, 'utf8')).toBe('x'.repeat(50_000));
  expect((await stat(plugin.path)).mode & 0o111).toBe(0o111);
  const folder = 'plugins/cpu-toy-plugin-1.0';
  expect(await contents()).toEqual([
    `${folder}/plugin.json`,
    `${folder}/plugin/libplugin.so`,
    `${folder}/toy-plugin-1.0.dist-info/LICENSE`,
  ]);
  expect(steps.at(0)).toMatchObject({ stage: 'download', file: pin.file, total: bytes.length });
  expect(steps.at(-2)).toMatchObject({ stage: 'download', bytes: bytes.length });
  expect(steps.at(-1)).toEqual({ stage: 'unpack', file: pin.file });
  expect(await listPlugins({ home })).toEqual([plugin]);
});

test('the second time asks for nothing', async () => {
  const { build, pin, bytes } = makeBuild('toy-plugin');
  index.files.set(pin.file, bytes);
  const first = await installPlugin('cpu', options([build]));
  index.requests.length = 0;
  expect(await installPlugin('cpu', options([build]))).toEqual(first);
  expect(index.requests).toEqual([]);
});

test('a file with another hash is refused and deleted, and no other build is tried', async () => {
  const wrong = makeBuild('toy-plugin');
  const other = makeBuild('other-plugin');
  const changed = Buffer.from(wrong.bytes);
  changed[100]! ^= 1;
  index.files.set(wrong.pin.file, changed).set(other.pin.file, other.bytes);
  const attempt = installPlugin('cpu', options([wrong.build, other.build]));
  await expect(attempt).rejects.toThrow(PluginIntegrityError);
  await expect(attempt).rejects.toThrow(wrong.pin.sha256);
  expect(await contents()).toEqual([]);
});

test.each([-10, 10])('a file of another size (%i bytes) is refused', async (difference) => {
  const { build, pin, bytes } = makeBuild('toy-plugin');
  index.files.set(pin.file, difference < 0 ? bytes.subarray(0, difference) : Buffer.concat([bytes, Buffer.alloc(10)]));
  const error: unknown = await installPlugin('cpu', options([build])).catch((reason: unknown) => reason);
  // Too short looks like a broken connection at first, so it ends as "could not be downloaded".
  if (difference < 0) expect(error).toBeInstanceOf(PluginUnavailableError);
  else expect(error).toBeInstanceOf(PluginIntegrityError);
  expect(await listPlugins({ home })).toEqual([]);
});

test('a connection that breaks is resumed where it broke', async () => {
  const { build, pin, bytes } = makeBuild('toy-plugin');
  index.files.set(pin.file, bytes);
  index.cutAfter = [20_000, 10_000];
  await installPlugin('cpu', options([build]));
  const [whole, ...rest] = index.requests.slice(1);
  expect(whole).toBe(`/files/${pin.file}`);
  // What had come but was not read when the connection broke is asked for again.
  const starts = rest.map((request) => Number(/ bytes=(\d+)-$/.exec(request)?.[1]));
  expect(starts).toHaveLength(2);
  expect(starts[0]).toBeGreaterThan(0);
  expect(starts[0]).toBeLessThanOrEqual(20_000);
  expect(starts[1]).toBeGreaterThanOrEqual(starts[0] as number);
  expect(starts[1]).toBeLessThanOrEqual((starts[0] as number) + 10_000);
});

test.each([false, true])('an interrupted run is gone on with (index ignores ranges: %s)', async (ignoresRanges) => {
  const { build, pin, bytes } = makeBuild('toy-plugin');
  index.files.set(pin.file, bytes);
  index.ignoresRanges = ignoresRanges;
  // What a killed run leaves: a part, a temporary folder, a lock of a process that is gone.
  await mkdir(join(home, 'downloads'), { recursive: true });
  await writeFile(join(home, 'downloads', `${pin.file}.part`), bytes.subarray(0, 12_345));
  await mkdir(join(home, 'plugins', '.cpu-Ab12Cd', 'plugin'), { recursive: true });
  await writeFile(join(home, 'plugins', '.cpu-Ab12Cd', 'plugin', 'libplugin.so'), 'half');
  await writeFile(join(home, 'plugins', '.cpu.lock'), '999999999');
  const plugin = await installPlugin('cpu', options([build]));
  expect(index.requests).toContain(`/files/${pin.file} bytes=12345-`);
  expect(await readFile(plugin.path, 'utf8')).toBe('x'.repeat(50_000));
  expect((await contents()).every((name) => name.startsWith('plugins/cpu-toy-plugin-1.0/'))).toBe(true);
});

test('a damaged installation is replaced', async () => {
  const { build, pin, bytes } = makeBuild('toy-plugin');
  index.files.set(pin.file, bytes);
  const plugin = await installPlugin('cpu', options([build]));
  await writeFile(plugin.path, 'cut off');
  expect(await listPlugins({ home })).toEqual([]);
  expect(await installPlugin('cpu', options([build]))).toEqual(plugin);
});

const members: readonly [string, readonly Member[]][] = [
  ['a parent folder', [{ name: '../../escaped.so', content: 'x' }]],
  ['an absolute name', [{ name: '/tmp/tesserae-escaped.so', content: 'x' }]],
  ['a hidden parent folder', [{ name: 'plugin/../../../escaped.so', content: 'x' }]],
  ['a backslash', [{ name: '..\\escaped.so', content: 'x' }]],
  ['a link', [{ name: 'plugin/libplugin.so', content: '/etc/passwd', mode: 0o120777 }]],
  ['two members of one name', Array<Member>(2).fill({ name: 'plugin/libplugin.so', content: 'x' })],
];
test.each(members)('an archive with %s is refused', async (_, evil) => {
  const { pin, bytes } = makeWheel('evil-plugin', [{ name: 'plugin/first.so', content: 'x' }, ...evil]);
  index.files.set(pin.file, bytes);
  const builds = [{ version: '1.0', library: 'plugin/libplugin.so', wheels: [pin] }];
  await expect(installPlugin('cpu', options(builds))).rejects.toThrow(PluginIntegrityError);
  expect((await contents()).filter((name) => name.endsWith('.so'))).toEqual([]);
  expect(await listPlugins({ home })).toEqual([]);
});

test('a file that is no archive is refused', async () => {
  const { pin } = makeWheel('text-plugin', []);
  const bytes = Buffer.from('not a zip file');
  const { createHash } = await import('node:crypto');
  const sha256 = createHash('sha256').update(bytes).digest('hex');
  index.files.set(pin.file, bytes);
  const builds = [{ version: '1.0', library: 'a.so', wheels: [{ ...pin, bytes: bytes.length, sha256 }] }];
  await expect(installPlugin('cpu', options(builds))).rejects.toThrow('not a readable zip file');
});

test('an index that cannot be reached is one error with a remedy', async () => {
  const { build } = makeBuild('toy-plugin');
  const error: unknown = await installPlugin('cpu', options([build], { index: 'http://127.0.0.1:9/simple' })).catch(
    (reason: unknown) => reason,
  );
  expect(error).toBeInstanceOf(PluginUnavailableError);
  expect((error as PluginUnavailableError).message).toContain('127.0.0.1:9 cannot be reached (ECONNREFUSED)');
  expect((error as PluginUnavailableError).remedy).toContain('PIP_INDEX_URL');
  expect(await contents()).toEqual([]);
});

test('a user name and password of the index do not show in messages', async () => {
  const { build } = makeBuild('toy-plugin');
  const address = index.url.replace('//', '//name:secret@');
  const error: unknown = await installPlugin('cpu', options([build], { index: address })).catch((e: unknown) => e);
  expect(String(error)).toContain('status 404');
  expect(String(error)).not.toContain('secret');
});

test('an index without the first build gives the second', async () => {
  const missing = makeBuild('missing-plugin');
  const there = makeBuild('there-plugin');
  index.files.set(there.pin.file, there.bytes);
  const steps: InstallProgress[] = [];
  const plugin = await installPlugin(
    'cpu',
    options([missing.build, there.build], { onProgress: (step) => steps.push(step) }),
  );
  expect(plugin.folder).toContain('there-plugin');
  expect(steps.some((step) => step.stage === 'fallback')).toBe(true);
});

test('a preferred build is installed beside one that is there; while it is not to be had, the other serves', async () => {
  const preferred = makeBuild('preferred-plugin');
  const other = makeBuild('other-plugin');
  index.files.set(other.pin.file, other.bytes);
  const old = await installPlugin('cpu', options([other.build]));
  const both = [preferred.build, other.build];
  const steps: InstallProgress[] = [];
  expect(await installPlugin('cpu', options(both, { onProgress: (step) => steps.push(step) }))).toEqual(old);
  expect(steps).toMatchObject([{ stage: 'fallback' }]);
  index.files.set(preferred.pin.file, preferred.bytes);
  expect((await installPlugin('cpu', options(both))).folder).toContain('preferred-plugin');
  expect(await listPlugins({ home })).toHaveLength(2);
});

test('two installations at once do the work once', async () => {
  const { build, pin, bytes } = makeBuild('toy-plugin');
  index.files.set(pin.file, bytes);
  const both = await Promise.all([installPlugin('cpu', options([build])), installPlugin('cpu', options([build]))]);
  expect(both[0]).toEqual(both[1]);
  expect(index.requests.filter((path) => path.startsWith('/files/'))).toHaveLength(1);
});

test('a signal stops a download, and the part is kept', async () => {
  const { build, pin, bytes } = makeBuild('toy-plugin');
  index.files.set(pin.file, bytes);
  index.cutAfter = [20_000];
  const controller = new AbortController();
  const onProgress = (): void => controller.abort(new Error('stopped by the person'));
  await expect(installPlugin('cpu', options([build], { onProgress, signal: controller.signal }))).rejects.toThrow();
  expect((await contents()).every((name) => name === `downloads/${pin.file}.part`)).toBe(true);
});

test('a folder that cannot be written is an error that says so', async () => {
  const { build } = makeBuild('toy-plugin');
  // Nobody may create a folder there, the superuser included.
  await expect(installPlugin('cpu', options([build], { home: '/sys/tesserae' }))).rejects.toThrow('Set TESSERAE_HOME');
});

test('a home that is a file is an error that names it', async () => {
  const { build } = makeBuild('toy-plugin');
  const file = join(home, 'file');
  await writeFile(file, '');
  await expect(installPlugin('cpu', options([build], { home: file }))).rejects.toThrow(file);
});

test('the table is complete: every wheel has a size, a hash and a name that fits its version', () => {
  for (const plugin of Object.values(PLUGINS)) {
    for (const build of plugin.builds) {
      expect(build.wheels.length).toBeGreaterThan(0);
      for (const wheel of build.wheels) {
        expect(wheel.sha256).toMatch(/^[0-9a-f]{64}$/);
        expect(wheel.bytes).toBeGreaterThan(1e6);
        expect(wheel.file).toMatch(/^[\w.]+-[\w.]+-py3-none-manylinux[\w.]+_x86_64\.whl$/);
        expect(wheel.file).toContain(`-${wheel.version}-`);
      }
    }
  }
});
