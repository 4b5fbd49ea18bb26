import { mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { locateBuild } from './locate-build.ts';

let folder: string;
beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'tesserae-locate-'));
});
afterEach(() => rm(folder, { recursive: true, force: true }));

async function put(path: string, content: string): Promise<void> {
  await mkdir(dirname(join(folder, path)), { recursive: true });
  await writeFile(join(folder, path), content);
}

async function installed(device: string, version: string): Promise<void> {
  const build = `plugins/tensorflow-${device}-${version}`;
  await put(`${build}/tfjs-node/lib/napi-v8/tfjs_binding.node`, 'addon');
  const bytes = { 'tfjs-node/lib/napi-v8/tfjs_binding.node': 5 };
  await put(`${build}/plugin.json`, JSON.stringify({ name: `tensorflow-${device}`, version, bytes }));
}

const locate = (env: Record<string, string> = {}): ReturnType<typeof locateBuild> =>
  locateBuild({ TESSERAE_HOME: folder, ...env }, join(folder, 'package.json'));

test('nothing is found in an empty home and project', async () => {
  expect(await locate()).toBeUndefined();
});

test('the GPU build goes first, and a variable chooses', async () => {
  await installed('cpu', '2.21.0');
  expect(await locate()).toMatchObject({ device: 'cpu', version: 'TensorFlow 2.21.0' });
  await installed('gpu', '2.21.0');
  expect(await locate()).toMatchObject({ device: 'gpu', source: 'tesserae engine install tensorflow --gpu' });
  expect(await locate({ TESSERAE_TENSORFLOW: 'cpu' })).toMatchObject({ device: 'cpu' });
  await expect(locate({ TESSERAE_TENSORFLOW: 'tpu' })).rejects.toThrow("expected 'cpu' or 'gpu', received 'tpu'");
});

test("a program's own package counts once it has its addon", async () => {
  const name = '@tensorflow/tfjs-node';
  await put(`node_modules/${name}/package.json`, JSON.stringify({ name, version: '4.22.0' }));
  await put(`node_modules/${name}/lib/napi-v8/readme`, '');
  expect(await locate()).toBeUndefined();
  await put(`node_modules/${name}/lib/napi-v8/tfjs_binding.node`, 'addon');
  expect(await locate()).toMatchObject({ device: 'cpu', version: `${name} 4.22.0`, source: name });
  expect(await locate({ TESSERAE_TENSORFLOW: 'gpu' })).toBeUndefined();
});
