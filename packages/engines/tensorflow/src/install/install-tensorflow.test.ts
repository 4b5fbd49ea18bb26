import { chmod, mkdtemp, readdir, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { PluginIntegrityError, PluginUnavailableError } from '@tesserae/downloads';
import {
  makeWheel,
  startFakeIndex,
  startFakeRegistry,
  type FakeIndex,
  type FakeRegistry,
} from '@tesserae/downloads/testing';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { TENSORFLOW_BUILDS, type TensorflowBuild } from './build-table.ts';
import { installTensorflow, type InstallTensorflowOptions, type TensorflowProgress } from './install-tensorflow.ts';
import { listTensorflow } from './installed-builds.ts';

let home: string;
let index: FakeIndex;
let registry: FakeRegistry;
let build: TensorflowBuild;
beforeEach(async () => {
  home = await mkdtemp(join(tmpdir(), 'tesserae-tensorflow-'));
  index = await startFakeIndex();
  registry = await startFakeRegistry();
  const { pin, bytes } = makeWheel('tensorflow-cpu', [
    { name: 'tensorflow/libtensorflow_cc.so.2', content: 'library' },
    { name: 'tensorflow/libtensorflow_framework.so.2', content: 'framework' },
    { name: 'tensorflow/include/tensorflow/c/c_api.h', content: '// C API' },
    { name: 'tensorflow/include/tensorflow/core/graph.h', content: '// not needed' },
    { name: 'tensorflow/python/_pywrap.so', content: 'not needed' },
  ]);
  index.files.set(pin.file, bytes);
  build = {
    device: 'cpu',
    version: '1.0',
    wheels: [pin],
    addon: registry.add('@tensorflow/tfjs-node', [
      { name: 'package/binding/tfjs_backend.cc', content: 'int backend;' },
      { name: 'package/binding/tfjs_binding.cc', content: 'int binding;' },
    ]),
    headers: registry.add('node-api-headers', [{ name: 'package/include/node_api.h', content: '' }]),
  };
});
afterEach(async () => {
  await index[Symbol.asyncDispose]();
  await registry[Symbol.asyncDispose]();
  await rm(home, { recursive: true, force: true });
});

/** A program in the place of the compiler: it writes its words to the file behind `-o`. */
async function fakeCompiler(script: string): Promise<string> {
  const path = join(home, 'fake-g++');
  await writeFile(path, `#!/bin/sh\nif [ "$1" = --version ]; then echo "fake-g++ 1.0"; exit; fi\n${script}\n`);
  await chmod(path, 0o755);
  return path;
}

const writesItsWords = 'words="$*"; while [ "$1" != -o ]; do shift; done; echo "$words" > "$2"';

const options = (compiler: string, more: InstallTensorflowOptions = {}): InstallTensorflowOptions => ({
  home,
  index: index.url,
  build,
  env: { PATH: process.env['PATH'] ?? '', CXX: compiler, ...registry.environment(join(home, 'npm')) },
  check: async () => ({ version: '1.0', onGpu: false, checked: ['matMul'] }),
  ...more,
});

test('builds from the wheel and the packages, checks, and leaves one complete folder', async () => {
  const steps: TensorflowProgress[] = [];
  const onProgress = (step: TensorflowProgress): void => void steps.push(step);
  const installed = await installTensorflow(options(await fakeCompiler(writesItsWords), { onProgress }));

  expect(installed).toMatchObject({ device: 'cpu', version: '1.0', current: false });
  expect(installed.folder).toBe(join(home, 'plugins/tensorflow-cpu-1.0'));
  const files = await readdir(installed.folder, { recursive: true });
  expect(files.filter((name) => /\.(so\.2|h|cc|node|json)$/.test(name)).sort()).toEqual([
    'plugin.json',
    'tensorflow/include/tensorflow/c/c_api.h',
    'tensorflow/libtensorflow_cc.so.2',
    'tensorflow/libtensorflow_framework.so.2',
    'tfjs-node/binding/tfjs_backend.cc',
    'tfjs-node/binding/tfjs_binding.cc',
    'tfjs-node/lib/napi-v8/tfjs_binding.node',
    'tfjs-node/package.json',
  ]);
  const words = await readFile(installed.addon, 'utf8');
  expect(words).toContain('-DNAPI_VERSION=8');
  expect(words).toContain('-l:libtensorflow_cc.so.2');
  expect(words).toContain('-Wl,-rpath,$ORIGIN/../../../tensorflow');
  expect(words).toMatch(/-I\S+\/node-api-headers\/include /);
  expect(steps.map(({ stage }) => stage).filter((stage) => stage !== 'download')).toEqual([
    ...['unpack', 'package', 'package', 'compile', 'check', 'checked'],
  ]);
  expect(await listTensorflow({ home })).toEqual([installed]);
  expect(await readdir(join(home, 'downloads'))).toEqual([]);

  index.requests.length = 0;
  expect(await installTensorflow(options('fails'))).toEqual(installed);
  expect(index.requests).toEqual([]);

  await writeFile(installed.addon, 'cut off');
  expect(await listTensorflow({ home })).toEqual([]);
});

test.each([
  [{ CXX: '/nowhere/g++' }, 'CXX names, /nowhere/g++, does not run'],
  [{ CXX: '', PATH: '/nowhere' }, 'Install g++'],
])('without a compiler nothing is downloaded, and one line says what to do (%j)', async (env, text) => {
  const error: unknown = await installTensorflow(options('', { env })).catch((reason: unknown) => reason);
  expect(error).toBeInstanceOf(PluginUnavailableError);
  expect((error as Error).message).toContain(text);
  expect((error as Error).message).not.toContain('\n');
  expect(index.requests).toEqual([]);
});

test('a compiler that fails is quoted, and no build is left', async () => {
  const compiler = await fakeCompiler('echo "a.cc:1: note: hm" >&2; echo "a.cc:2: error: no such thing" >&2; exit 1');
  await expect(installTensorflow(options(compiler))).rejects.toThrow('a.cc:2: error: no such thing');
  expect(await listTensorflow({ home })).toEqual([]);
  // The wheel stays, so that the next try need not fetch it.
  expect(await readdir(join(home, 'downloads'))).toEqual([build.wheels[0]!.file]);
});

test('a build that does not compute is not installed', async () => {
  const check = async (): Promise<never> => {
    throw new Error('does not compute here');
  };
  const compiler = await fakeCompiler(writesItsWords);
  await expect(installTensorflow(options(compiler, { check }))).rejects.toThrow('does not compute here');
  expect(await readdir(join(home, 'plugins'))).toEqual([]);
});

test('a package with another hash is refused', async () => {
  const other = { ...build, addon: { ...build.addon, sha256: '0'.repeat(64) } };
  const attempt = installTensorflow(options(await fakeCompiler(writesItsWords), { build: other }));
  await expect(attempt).rejects.toThrow(PluginIntegrityError);
  expect(await listTensorflow({ home })).toEqual([]);
});

test('the table is complete, and the GPU build holds what TensorFlow asks for', () => {
  for (const { wheels, addon, headers, version } of Object.values(TENSORFLOW_BUILDS)) {
    for (const pin of [...wheels, addon, headers]) expect(pin.sha256).toMatch(/^[0-9a-f]{64}$/);
    expect(wheels[0]!.version).toBe(version);
    for (const wheel of wheels) {
      expect(wheel.bytes).toBeGreaterThan(1e6);
      expect(wheel.file).toMatch(/manylinux[\w.]+_x86_64\.whl$/);
    }
  }
  const parts = TENSORFLOW_BUILDS.gpu.wheels.map(({ project }) => project);
  // The extra `and-cuda` of TensorFlow 2.21.
  for (const part of ['cublas', 'cuda-cupti', 'cuda-nvcc', 'cuda-nvrtc', 'cuda-runtime', 'cudnn', 'cufft', 'curand']) {
    expect(parts).toContain(`nvidia-${part}-cu12`);
  }
  for (const part of ['cusolver', 'cusparse', 'nccl', 'nvjitlink']) expect(parts).toContain(`nvidia-${part}-cu12`);
});
