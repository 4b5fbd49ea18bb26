/** Bad input has an error that says what to do, and nothing on the disk is lost. */
import { createHash } from 'node:crypto';
import { existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync, truncateSync, writeFileSync } from 'node:fs';
import { cp } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { tf, useEngine } from '@tesserae/tensor';
import { xla } from '@tesserae/xla';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { drawPictures } from './testing/pictures.ts';
import { silentRun, type Outcome } from './testing/silent-run.ts';

const root = mkdtempSync(join(tmpdir(), 'bad-input-'));
const good = join(root, 'good');
const trained = join(root, 'trained');
const tiny = new URL('testing/tiny-tokenizer.ts', import.meta.url).pathname;

/** A short training. */
function train(out: string, ...words: string[]): Promise<Outcome> {
  const common = ['--images', good, '--size', '8', '--batch', '8', '--engine', 'wasm', '--out', out];
  return silentRun('train-tokenizer', ...common, '--tokenizer', tiny, '--steps', '4', '--checkpoint', '2', ...words);
}

/** A copy of the trained run that a test may damage. */
async function copyOfRun(name: string): Promise<string> {
  const out = join(root, name);
  await cp(trained, out, { recursive: true });
  return out;
}

const sha256 = (file: string): string => createHash('sha256').update(readFileSync(file)).digest('hex');

let first: Outcome;
beforeAll(async () => {
  drawPictures(good, 24);
  await useEngine('wasm');
  first = await train(trained);
});
afterAll(() => rmSync(root, { recursive: true }));

test('a tokenizer from a file trains, and every file of the run is there', () => {
  expect(first.err).toBe('');
  expect(first.code).toBe(0);
  for (const file of [
    'run.json',
    'metrics.json',
    'reconstructions.png',
    'tokenizer/model.safetensors',
    'tokenizer/config.json',
    'tokenizer/log.jsonl',
    'tokenizer/checkpoint/state.json',
  ]) {
    expect(existsSync(join(trained, file)), file).toBe(true);
  }
  expect(existsSync(join(trained, 'skipped.json'))).toBe(false);
});

describe('pictures', () => {
  test('corrupt and foreign files among good ones are skipped, counted, named and listed', async () => {
    const mixed = join(root, 'mixed');
    drawPictures(mixed, 20);
    mkdirSync(join(mixed, 'more'));
    const png = readFileSync(join(trained, 'reconstructions.png'));
    writeFileSync(join(mixed, 'more', 'whole.png'), png);
    writeFileSync(join(mixed, 'more', 'half.png'), png.subarray(0, png.length / 2));
    writeFileSync(join(mixed, 'noise.jpg'), Buffer.alloc(4000, 7));
    writeFileSync(join(mixed, 'notes.txt'), 'not a picture');
    writeFileSync(join(mixed, 'empty.png'), '');
    const out = join(root, 'mixed-run');
    const { code, out: printed } = await train(out, '--images', mixed);
    expect(code).toBe(0);
    expect(printed).toContain(`pictures: ${mixed}, 21 of 8×8×3`);
    expect(printed).toContain('left out 4 file(s):');
    const skipped = JSON.parse(readFileSync(join(out, 'skipped.json'), 'utf8')) as { file: string; reason: string }[];
    expect(skipped.map(({ file }) => file).sort()).toEqual(['empty.png', 'more/half.png', 'noise.jpg', 'notes.txt']);
    for (const { file, reason } of skipped) {
      expect(reason).not.toBe('');
      expect(printed).toContain(`  ${file}: ${reason}`);
    }
  });

  test('a list of skipped files of an earlier run does not outlive it', async () => {
    const out = await copyOfRun('skipped-before');
    writeFileSync(join(out, 'skipped.json'), '[]');
    expect((await train(out)).code).toBe(0);
    expect(existsSync(join(out, 'skipped.json'))).toBe(false);
  });

  test.each([
    ['an empty folder', (folder: string) => mkdirSync(folder), 'has no files; give a folder with pictures'],
    [
      'a folder without pictures',
      (folder: string) => (mkdirSync(folder), writeFileSync(join(folder, 'a.txt'), 'a')),
      'none of the 1 files in',
    ],
    ['a folder that is not there', () => {}, 'cannot read'],
    ['a file', (folder: string) => writeFileSync(folder, 'a'), 'it is not a folder'],
    ['one picture', (folder: string) => drawPictures(folder, 1), 'at least 2 are needed'],
    ['a damaged pack.safetensors', (file: string) => writeFileSync(file, 'no'), 'too few for a safetensors file'],
  ] as const)('%s', async (what, make, message) => {
    const images = join(root, what.replaceAll(' ', '-'));
    make(images);
    const out = join(root, 'never');
    const { code, err } = await train(out, '--images', images);
    expect(code).toBe(1);
    expect(err).toContain(message);
    expect(err).toContain(images);
    expect(existsSync(out)).toBe(false);
  });

  test('a few pictures train, with a smaller batch than was asked for', async () => {
    const few = join(root, 'few');
    drawPictures(few, 3);
    const { code, err } = await train(join(root, 'few-run'), '--images', few, '--batch', '64');
    expect(err).toBe('');
    expect(code).toBe(0);
  });

  test('a size that the tokenizer cannot halve often enough', async () => {
    const { code, err } = await train(join(root, 'odd-size'), '--size', '10');
    expect(code).toBe(1);
    expect(err).toContain('multiple of');
  });
});

describe('names', () => {
  test('an unknown tokenizer lists the known ones', async () => {
    const { code, err } = await train(join(root, 'never'), '--tokenizer', 'vqq');
    expect(code).toBe(1);
    expect(err).toContain("there is no tokenizer 'vqq'");
    expect(err).toContain('Known names are vq, fsq');
    expect(existsSync(join(root, 'never'))).toBe(false);
  });

  test('a tokenizer file that is not there, and one that exports something else', async () => {
    expect((await train(join(root, 'never'), '--tokenizer', './gone.ts')).err).toContain('there is no file');
    const file = join(root, 'other.ts');
    writeFileSync(file, 'export const somethingElse: number = 1;');
    expect((await train(join(root, 'never'), '--tokenizer', file)).err).toContain('but no `tokenizer`');
  });

  test('an unknown engine lists the known ones', async () => {
    const { code, err } = await train(join(root, 'never'), '--engine', 'tpu');
    expect(code).toBe(1);
    expect(err).toContain("unknown engine 'tpu'. Known here: auto, ");
    expect(existsSync(join(root, 'never'))).toBe(false);
  });

  test('a GPU that is not there is an error with the remedy, not another engine', async (context) => {
    const probe = await xla.probe('xla:cuda');
    if (probe.available) context.skip('there is a GPU here');
    const { code, err, out } = await train(join(root, 'never'), '--engine', 'xla:cuda');
    expect(code).toBe(1);
    expect(err).toContain("engine 'xla:cuda' is not available");
    expect(err).toMatch(/Run `npx tesserae (engine install cuda1[23]|doctor)`/);
    expect(out).not.toContain('engine:');
    expect(tf.getBackend()).toBe('wasm');
    expect(existsSync(join(root, 'never'))).toBe(false);
  });
});

describe('the folder of a run', () => {
  test('one that cannot be written', async () => {
    const file = join(root, 'a-file');
    writeFileSync(file, 'mine');
    const { code, err } = await train(join(file, 'run'));
    expect(code).toBe(1);
    expect(err).toContain(join(file, 'run'));
    expect(err).toMatch(/cannot (be )?writ/);
    expect(readFileSync(file, 'utf8')).toBe('mine');
  });

  test.each([
    ['train-prior', 'holds no run'],
    ['sample', 'holds no run'],
    ['reconstruct', 'holds no run'],
    ['evaluate', 'holds no run'],
  ])('%s without a run', async (command, message) => {
    const { code, err } = await silentRun(command, '--out', join(root, 'nothing'));
    expect(code).toBe(1);
    expect(err).toContain(message);
    expect(err).toContain('run train-tokenizer or demo with this --out first');
    expect(existsSync(join(root, 'nothing'))).toBe(false);
  });

  test('a run whose tokenizer was not trained to the end, and one without a prior', async () => {
    const out = await copyOfRun('half');
    const { code, err } = await silentRun('sample', '--engine', 'wasm', '--out', out);
    expect(code).toBe(1);
    expect(err).toContain('has no trained prior; run `tesserae-images train-prior');
    rmSync(join(out, 'tokenizer', 'model.safetensors'));
    expect((await silentRun('evaluate', '--engine', 'wasm', '--out', out)).err).toContain('has no trained tokenizer');
  });

  test.each([
    ['{', 'is not JSON'],
    ['[]', 'does not describe a run'],
    ['{"tokenizer":"vq","pictures":{"images":"emoji"}}', 'does not describe a run'],
  ])('run.json that is %s', async (text, message) => {
    const out = join(root, 'odd');
    mkdirSync(out, { recursive: true });
    writeFileSync(join(out, 'run.json'), text);
    const { code, err } = await silentRun('evaluate', '--out', out);
    expect(code).toBe(1);
    expect(err).toContain(`${join(out, 'run.json')} ${message}`);
  });
});

describe('--resume', () => {
  test('continues where the last checkpoint is', async () => {
    const out = await copyOfRun('longer');
    const { code, err } = await train(out, '--resume', '--steps', '6');
    expect(err).toBe('');
    expect(code).toBe(0);
    const state = JSON.parse(readFileSync(join(out, 'tokenizer/checkpoint/state.json'), 'utf8')) as { step: number };
    expect(state.step).toBe(6);
  });

  test.each([
    ['--size', '16'],
    ['--tokenizer', 'fsq'],
    ['--seed', '1'],
    ['--images', 'emoji'],
  ])('with another %s is refused', async (flag, value) => {
    const before = readFileSync(join(trained, 'run.json'), 'utf8');
    const { code, err } = await train(trained, '--resume', flag, value);
    expect(code).toBe(1);
    expect(err).toContain('Give the same flags to resume, or another --out');
    expect(readFileSync(join(trained, 'run.json'), 'utf8')).toBe(before);
  });

  test('with another batch, or fewer steps than were made, says so', async () => {
    const batch = await train(trained, '--resume', '--batch', '4', '--steps', '6');
    expect(batch.code).toBe(1);
    expect(batch.err).toContain('batchSize 8, this loader has 4');
    const fewer = await train(trained, '--resume', '--steps', '3');
    expect(fewer.code).toBe(1);
    expect(fewer.err).toContain('has 4 steps already, this run asks for 3');
  });

  test('from a truncated checkpoint names the file and leaves it', async () => {
    const out = await copyOfRun('truncated');
    const file = join(out, 'tokenizer/checkpoint/model.safetensors');
    truncateSync(file, 100);
    const before = sha256(file);
    const { code, err } = await train(out, '--resume', '--steps', '6');
    expect(code).toBe(1);
    expect(err).toContain(`${file}: is truncated`);
    expect(sha256(file)).toBe(before);
  });

  test.each([
    ['state.json', '{"hello": "world"}'],
    ['optimizer.safetensors', 'something else'],
  ])('from a foreign checkpoint (%s) names the file and leaves it', async (name, content) => {
    const out = await copyOfRun(`foreign-${name}`);
    const file = join(out, 'tokenizer/checkpoint', name);
    writeFileSync(file, content);
    const { code, err } = await train(out, '--resume', '--steps', '6');
    expect(code).toBe(1);
    expect(err).toContain(file);
    expect(readFileSync(file, 'utf8')).toBe(content);
  });

  test('from the checkpoint of another model says which weights differ and leaves it', async () => {
    const other = join(root, 'other-model');
    // The same run but for the model: a checkpoint that was copied to the wrong place.
    expect((await train(other, '--tokenizer', 'fsq', '--steps', '1')).code).toBe(0);
    const out = await copyOfRun('another-model');
    rmSync(join(out, 'tokenizer/checkpoint'), { recursive: true });
    await cp(join(other, 'tokenizer/checkpoint'), join(out, 'tokenizer/checkpoint'), { recursive: true });
    const file = join(out, 'tokenizer/checkpoint/model.safetensors');
    const before = sha256(file);
    const { code, err } = await train(out, '--resume', '--steps', '6');
    expect(code).toBe(1);
    expect(err).toContain(join(out, 'tokenizer/checkpoint'));
    expect(sha256(file)).toBe(before);
  });

  test('the weights of a tokenizer that were truncated are refused by name', async () => {
    const out = await copyOfRun('short-weights');
    const file = join(out, 'tokenizer/model.safetensors');
    truncateSync(file, 300);
    const { code, err } = await silentRun('reconstruct', '--engine', 'wasm', '--out', out);
    expect(code).toBe(1);
    expect(err).toContain(file);
  });
});
