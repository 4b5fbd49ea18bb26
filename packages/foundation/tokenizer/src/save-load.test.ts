import { mkdtemp, readdir, readFile, rm, truncate, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { random, tf, useEngine } from '@tesserae/tensor';
import { encodeSafetensors } from '@tesserae/train';
import { afterEach, beforeAll, beforeEach, expect, test } from 'vitest';
import { loadTokenizer } from './load-tokenizer.ts';
import { patchFactory, PatchTokenizer, samplePictures } from './patch-tokenizer.fixture.ts';
import { saveTokenizer } from './save-tokenizer.ts';
import { UnknownTokenizerError } from './unknown-tokenizer-error.ts';

let folder: string;
let tokenizer: PatchTokenizer;

beforeAll(async () => {
  await useEngine('cpu');
});
beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'tokenizer-'));
  tokenizer = random.withKey(random.key(1), () => new PatchTokenizer({ shape: [4, 6, 2] }));
  await saveTokenizer(tokenizer, folder);
});
afterEach(async () => {
  await rm(folder, { recursive: true });
});

test('a loaded tokenizer gives the same tokens and pictures', async () => {
  const loaded = await loadTokenizer(folder, [patchFactory()]);
  const pictures = samplePictures();
  const tokens = tokenizer.encode(pictures);
  expect(loaded.encode(pictures).dataSync()).toEqual(tokens.dataSync());
  expect(loaded.decode(tokens).dataSync()).toEqual(tokenizer.decode(tokens).dataSync());
  expect(loaded.config).toEqual(tokenizer.config);
  expect(await readdir(folder)).toEqual(['config.json', 'model.safetensors']);
});

test('saving again replaces the weights, and leaves nothing else behind', async () => {
  tokenizer.codebook.codes.assign(tf.zeros([8, 3]));
  await saveTokenizer(tokenizer, folder);
  const loaded = (await loadTokenizer(folder, [patchFactory()])) as PatchTokenizer;
  expect(loaded.codebook.codes.dataSync().every((value) => value === 0)).toBe(true);
  expect(await readdir(folder)).toHaveLength(2);
});

test('the description inside the model file counts; config.json is enough for weights without one', async () => {
  await writeFile(join(folder, 'config.json'), 'not JSON');
  await loadTokenizer(folder, [patchFactory()]);
  await writeFile(join(folder, 'model.safetensors'), await encodeSafetensors(tokenizer.stateDict()));
  await expect(loadTokenizer(folder, [patchFactory()])).rejects.toThrow('config.json is not JSON');
  const description = { format: 'tesserae-tokenizer', version: 1, kind: 'patch', config: { shape: [4, 6, 2] } };
  await writeFile(join(folder, 'config.json'), JSON.stringify(description));
  await loadTokenizer(folder, [patchFactory()]);
  await rm(join(folder, 'config.json'));
  await expect(loadTokenizer(folder, [patchFactory()])).rejects.toThrow('does not say which tokenizer it belongs to');
});

test('an unknown kind lists what is known', async () => {
  const failure = await loadTokenizer(folder, [{ ...patchFactory(), kind: 'vq' }]).catch((error: unknown) => error);
  expect(failure).toBeInstanceOf(UnknownTokenizerError);
  expect((failure as Error).message).toContain("holds a tokenizer of kind 'patch', known are vq");
  await expect(loadTokenizer(folder, [])).rejects.toThrow('known are none');
});

test('damaged and foreign files are named, and no tensor is left over', async () => {
  const before = tf.memory().numTensors;
  const model = join(folder, 'model.safetensors');
  const bytes = await readFile(model);
  await truncate(model, bytes.length - 5);
  await expect(loadTokenizer(folder, [patchFactory()])).rejects.toThrow('model.safetensors');
  await writeFile(model, 'something else entirely');
  await expect(loadTokenizer(folder, [patchFactory()])).rejects.toThrow('model.safetensors');
  await rm(model);
  await expect(loadTokenizer(folder, [patchFactory()])).rejects.toThrow('has no model.safetensors');
  await expect(loadTokenizer(join(folder, 'nowhere'), [patchFactory()])).rejects.toThrow('has no model.safetensors');

  const state: Record<string, tf.Tensor> = { ...tokenizer.stateDict() };
  delete state['encoder.weight'];
  const metadata = { 'tesserae.tokenizer': JSON.stringify({ format: 'tesserae-tokenizer', version: 2 }) };
  await writeFile(model, await encodeSafetensors(state, metadata));
  await expect(loadTokenizer(folder, [patchFactory()])).rejects.toThrow('has version 2');
  await writeFile(model, await encodeSafetensors(state));
  await expect(loadTokenizer(folder, [patchFactory()])).rejects.toThrow("'encoder.weight' is missing");
  expect(tf.memory().numTensors).toBe(before);
});

test('a configuration that builds something else than was saved is an error', async () => {
  await expect(
    loadTokenizer(folder, [{ kind: 'patch', create: (config) => new PatchTokenizer(config, 'wrong-vocabulary') }]),
  ).rejects.toThrow('saved with discrete 2×3 tokens of 8 for image 4×6×2, but its configuration now builds discrete');
});

test('what cannot be written is an error that names it', async () => {
  const broken = Object.assign(Object.create(tokenizer) as PatchTokenizer, {
    config: { shape: [4, 6, 2], init: (): number => 1 },
  });
  await expect(saveTokenizer(broken, folder)).rejects.toThrow('config.init of the patch tokenizer is not plain JSON');
  await writeFile(join(folder, 'file'), '');
  await expect(saveTokenizer(tokenizer, join(folder, 'file', 'deeper'))).rejects.toThrow('cannot be written');
});
