import { chmod, mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { cudaDataFolder, librariesInLoadOrder } from './cuda-libraries.ts';
import { locatePlugin } from './locate-plugin.ts';
import { configuredIndex, PluginUnavailableError, tesseraeHome } from '@tesserae/downloads';
import { doctor } from './plugin-report.ts';

let folder: string;
/** An environment with an empty cache, and a Python that is not there. */
let env: Record<string, string>;
beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'tesserae-locate-'));
  env = { TESSERAE_HOME: join(folder, 'home'), PYTHON: join(folder, 'no-python'), HOME: folder };
});
afterEach(() => rm(folder, { recursive: true, force: true }));

async function touch(path: string, text = ''): Promise<string> {
  await mkdir(join(path, '..'), { recursive: true });
  await writeFile(path, text);
  return path;
}

async function fakeInstallation(root: string): Promise<string> {
  await touch(join(root, 'nvidia/cu13/lib/libcublas.so.13'));
  await touch(join(root, 'nvidia/cu13/lib/libcublasLt.so.13'));
  await touch(join(root, 'nvidia/cu13/lib/libcudart.so.13'));
  await touch(join(root, 'nvidia/cu13/bin/ptxas'));
  await touch(join(root, 'nvidia/cudnn/lib/libcudnn.so.9'));
  return touch(join(root, 'jax_plugins/xla_cuda13/xla_cuda_plugin.so'), 'plugin');
}

test('nothing there is undefined, and a report with the remedy', async () => {
  expect(await locatePlugin('cpu', env)).toBeUndefined();
  expect(await locatePlugin('cuda', env)).toBeUndefined();
  const report = await doctor(env);
  expect(report.home).toBe(env['TESSERAE_HOME']);
  expect(report.platforms).toMatchObject([
    { platform: 'cpu', found: false, remedy: 'npx tesserae engine install cpu' },
    { platform: 'cuda', found: false, remedy: 'npx tesserae engine install cuda13' },
  ]);
});

test('TESSERAE_PJRT_PLUGIN wins, for the platform that its name says', async () => {
  const path = await fakeInstallation(join(folder, 'site'));
  const named = { ...env, TESSERAE_PJRT_PLUGIN: path };
  expect(await locatePlugin('cuda', named)).toEqual({
    path,
    libraryFolders: [join(folder, 'site/nvidia/cu13/lib'), join(folder, 'site/nvidia/cudnn/lib')],
    source: 'TESSERAE_PJRT_PLUGIN',
  });
  expect(await locatePlugin('cpu', named)).toBeUndefined();
  const cpu = await touch(join(folder, 'libpjrt_cpu.so'));
  expect(await locatePlugin('cpu', { ...env, TESSERAE_PJRT_PLUGIN: cpu })).toMatchObject({ path: cpu });
});

test('TESSERAE_PJRT_PLUGIN that names nothing is an error with a remedy', async () => {
  const named = { ...env, TESSERAE_PJRT_PLUGIN: join(folder, 'missing.so') };
  await expect(locatePlugin('cpu', named)).rejects.toThrow(PluginUnavailableError);
  expect((await doctor(named)).platforms[0]).toMatchObject({ found: false, remedy: expect.stringContaining('unset') });
});

test("libraries come in the loader's order, and the compiler's folder is found", async () => {
  await fakeInstallation(folder);
  const folders = [join(folder, 'nvidia/cudnn/lib'), join(folder, 'nvidia/cu13/lib')];
  expect(await librariesInLoadOrder(folders)).toEqual([
    join(folder, 'nvidia/cu13/lib/libcudart.so.13'),
    join(folder, 'nvidia/cu13/lib/libcublasLt.so.13'),
    join(folder, 'nvidia/cu13/lib/libcublas.so.13'),
    join(folder, 'nvidia/cudnn/lib/libcudnn.so.9'),
  ]);
  expect(await cudaDataFolder(folders)).toBe(join(folder, 'nvidia/cu13'));
  expect(await cudaDataFolder([])).toBeUndefined();
});

test("a JAX installation's plugin is used for CUDA", async () => {
  const path = await fakeInstallation(join(folder, 'site'));
  const answer = JSON.stringify({ path, root: join(folder, 'site'), version: '0.11.2' });
  const python = await touch(join(folder, 'python'), `#!/bin/sh\necho '${answer}'\n`);
  await chmod(python, 0o755);
  const withJax = { ...env, PYTHON: python, PATH: process.env['PATH'] ?? '' };
  expect(await locatePlugin('cuda', withJax)).toMatchObject({ path, source: 'JAX installation', version: '0.11.2' });
  expect(await locatePlugin('cpu', withJax)).toBeUndefined();
});

test('the per-user folder follows TESSERAE_HOME, then the XDG rules', () => {
  expect(tesseraeHome({ TESSERAE_HOME: '/a/b' })).toBe('/a/b');
  expect(tesseraeHome({ XDG_CACHE_HOME: '/cache', HOME: '/home/x' })).toBe('/cache/tesserae');
  expect(tesseraeHome({ XDG_CACHE_HOME: 'relative', HOME: '/home/x' })).toBe('/home/x/.cache/tesserae');
});

test('without pip, its variables and files name the index', async () => {
  await touch(
    join(folder, '.config/pip/pip.conf'),
    '[global]\nindex-url = https://mirror.example/simple\ncert=/c.pem\n',
  );
  expect(await configuredIndex(env)).toMatchObject({ urls: ['https://mirror.example/simple'], certificate: '/c.pem' });
  const more = { PIP_INDEX_URL: 'https://a.example/s', PIP_EXTRA_INDEX_URL: 'https://b.example/s https://c.example/s' };
  expect((await configuredIndex({ ...env, ...more })).urls).toEqual([
    'https://a.example/s',
    'https://b.example/s',
    'https://c.example/s',
  ]);
});

test('pip itself is asked where it is there', async () => {
  // A stand-in for python3 that answers as pip does; the real one is exercised by an installation.
  const answer = JSON.stringify({
    index: 'https://pip.example/s',
    extra: [],
    links: ['/wheels'],
    cert: null,
    proxy: '',
  });
  const python = await touch(join(folder, 'python'), `#!/bin/sh\necho '${answer}'\n`);
  await chmod(python, 0o755);
  const index = await configuredIndex({ ...env, PYTHON: python });
  expect(index).toMatchObject({ urls: ['https://pip.example/s'], folders: ['/wheels'] });
});
