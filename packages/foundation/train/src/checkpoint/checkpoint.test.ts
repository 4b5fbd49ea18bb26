import { spawnSync } from 'node:child_process';
import {
  cpSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  renameSync,
  rmSync,
  truncateSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { StateMismatchError } from '@tesserae/nn';
import { tf, tree, useEngine } from '@tesserae/tensor';
import { expectNoLeak } from '@tesserae/tensor/testing';
import { afterEach, beforeAll, beforeEach, describe, expect, test } from 'vitest';
import { CheckpointError, findCheckpoint, loadCheckpoint, loadWeights, saveCheckpoint, WriteError } from '../index.ts';
import { createToy } from '../testing/toy.ts';

let root: string;
let folder: string;
beforeAll(() => useEngine('cpu'));
beforeEach(() => {
  root = mkdtempSync(join(tmpdir(), 'checkpoint-'));
  folder = join(root, 'checkpoint');
});
afterEach(() => rmSync(root, { recursive: true }));

/** A checkpoint whose every number is the step. */
async function save(step: number): Promise<void> {
  const tensors = tf.tidy(() => ({ model: { w: tf.fill([3], step) }, optimizer: { step: tf.scalar(step, 'int32') } }));
  await saveCheckpoint(folder, { ...tensors, state: { step, seed: 7, config: { size: 3 } } });
  tree.dispose(tensors);
}

/** The step, according to `state.json` and to the tensors. */
async function stepOf(): Promise<number> {
  const checkpoint = await loadCheckpoint(folder);
  const numbers = [...checkpoint.model.w!.dataSync(), ...checkpoint.optimizer!.step!.dataSync()];
  tree.dispose({ ...checkpoint });
  expect(new Set([checkpoint.state.step, ...numbers]).size).toBe(1);
  return checkpoint.state.step;
}

describe('save and load', () => {
  test('everything comes back, nothing else lies about, no tensor leaks', async () => {
    await expectNoLeak(async () => {
      await save(1);
      await save(2);
      expect(await stepOf()).toBe(2);
    });
    expect(readdirSync(root)).toEqual(['checkpoint']);
    expect(readdirSync(folder).sort()).toEqual(['model.safetensors', 'optimizer.safetensors', 'state.json']);
    const checkpoint = await loadCheckpoint(folder);
    expect(checkpoint.state).toEqual({ step: 2, seed: 7, config: { size: 3 } });
    expect(checkpoint.ema).toBeUndefined();
    tree.dispose({ ...checkpoint });
  });

  test('loadWeights prefers the averages', async () => {
    using model = createToy();
    const averages = Object.entries(model.parameters()).map(([name, p]) => [`average.${name}`, tf.zerosLike(p)]);
    const ema = Object.fromEntries(averages) as Record<string, tf.Tensor>;
    await saveCheckpoint(folder, { model: model.stateDict(), ema, state: { step: 3 } });
    using other = createToy();
    expect((await loadWeights(other, folder)).step).toBe(3);
    expect(Math.max(...other.head.weight.dataSync())).toBe(0);
    await loadWeights(other, folder, { ema: false });
    expect([...other.head.weight.dataSync()]).toEqual([...model.head.weight.dataSync()]);
    tree.dispose(ema);
    await save(1);
    await expect(loadWeights(other, folder)).rejects.toThrow(StateMismatchError);
  });
});

describe('a crash at any moment', () => {
  test('between the two renames: the previous one is found, and the next save cleans up', async () => {
    await save(1);
    renameSync(folder, `${folder}.previous`);
    mkdirSync(join(root, '.checkpoint.writing-1-abc'));
    writeFileSync(join(root, '.checkpoint.writing-1-abc', 'model.safetensors'), 'half');
    expect(await findCheckpoint(folder)).toBe(`${folder}.previous`);
    expect(await stepOf()).toBe(1);
    await save(2);
    expect(await stepOf()).toBe(2);
    expect(readdirSync(root)).toEqual(['checkpoint']);
  });

  test('after the second rename: the new one counts', async () => {
    await save(1);
    cpSync(folder, `${folder}.previous`, { recursive: true });
    await save(2);
    cpSync(folder, `${folder}.previous`, { recursive: true });
    rmSync(join(`${folder}.previous`, 'state.json'));
    expect(await stepOf()).toBe(2);
    await save(3);
    expect(await stepOf()).toBe(3);
    expect(readdirSync(root)).toEqual(['checkpoint']);
  });
});

describe('bad checkpoints name the file and what is wrong', () => {
  const rejects = async (message: RegExp): Promise<void> => {
    await expect(loadCheckpoint(folder)).rejects.toThrow(CheckpointError);
    await expect(loadCheckpoint(folder)).rejects.toThrow(message);
  };
  test('missing, or not a checkpoint', async () => {
    await rejects(/checkpoint: does not exist\. A checkpoint is a folder/);
    mkdirSync(folder);
    await rejects(/is not a checkpoint: it has no state.json/);
  });

  test('truncated, damaged, missing files', async () => {
    await save(1);
    const model = join(folder, 'model.safetensors');
    const good = readFileSync(model);
    truncateSync(model, 20);
    await rejects(/model.safetensors: is truncated: it has 20 bytes, state.json says \d+\. Use another checkpoint/);
    writeFileSync(model, Buffer.concat([good, Buffer.of(0)]));
    await rejects(/model.safetensors: is too long/);
    const flipped = Buffer.from(good);
    flipped[flipped.length - 1]! ^= 1;
    writeFileSync(model, flipped);
    await rejects(/model.safetensors: is damaged or was replaced: its SHA-256 differs/);
    rmSync(model);
    await rejects(/model.safetensors: is listed in state.json but cannot be read/);
  });

  test('a state.json that is truncated, foreign, or from the future', async () => {
    await save(1);
    const path = join(folder, 'state.json');
    const good = readFileSync(path, 'utf8');
    const change = (fn: (text: string) => string): void => writeFileSync(path, fn(good));
    change((text) => text.slice(0, 40));
    await rejects(/state.json: is not valid JSON .* It may be truncated/);
    change(() => '{"model":"gpt2"}');
    await rejects(/state.json: was not written by Tesserae/);
    change(() => 'null');
    await rejects(/was not written by Tesserae/);
    change((text) => text.replace('"version": 1', '"version": 2'));
    await rejects(/has version 2, this release reads version 1/);
    change((text) => text.replace('"step": 1', '"step": -1'));
    await rejects(/'step' must be a whole number of at least 0, got -1/);
    change((text) => text.replace(/"files": \{[^]*\}\n\}/, '"files": 3}'));
    await rejects(/'files' must give bytes and sha256/);
    change((text) => text.replace('"model.safetensors"', '"../model.safetensors"'));
    await rejects(/lists no model.safetensors/);
  });
});

describe('failing writes leave the old checkpoint', () => {
  test('a file where a folder should be', async () => {
    writeFileSync(join(root, 'file'), '');
    await expect(saveCheckpoint(join(root, 'file', 'checkpoint'), { model: {}, state: { step: 1 } })).rejects.toThrow(
      /file.checkpoint: cannot be written: a (part of the path is a file|file of this name is in the way)/,
    );
  });

  test('somebody else’s file or folder of that name stays', async () => {
    writeFileSync(folder, 'mine');
    await expect(save(1)).rejects.toThrow(
      /checkpoint: cannot be written: something that is not a checkpoint is in the way/,
    );
    expect(readFileSync(folder, 'utf8')).toBe('mine');
    rmSync(folder);
    mkdirSync(folder);
    await expect(save(1)).rejects.toThrow(WriteError);
    expect(readdirSync(root)).toEqual(['checkpoint']);
  });

  test('a tensor that cannot be read', async () => {
    await save(1);
    const gone = tf.zeros([2]);
    gone.dispose();
    await expect(saveCheckpoint(folder, { model: { gone }, state: { step: 2 } })).rejects.toThrow(/disposed/);
    expect(await stepOf()).toBe(1);
    expect(readdirSync(root)).toEqual(['checkpoint']);
  });

  // A limit on the size of files stands for a full disk: both fail in the middle of a write.
  test('a disk that is full half-way', async () => {
    await save(1);
    const program = `
      import { saveCheckpoint } from ${JSON.stringify(new URL('../index.ts', import.meta.url).href)};
      const data = new Float32Array(1 << 20);
      const model = { w: { data, shape: [data.length], dtype: 'float32' } };
      await saveCheckpoint(process.argv[1], { model, state: { step: 2 } }).catch((error) => {
        console.log(error.name, error.message);
        process.exit(3);
      });`;
    const shell = 'trap "" XFSZ; ulimit -f 100; exec "$0" -C @tesserae/source --input-type=module -e "$1" "$2"';
    const run = spawnSync('bash', ['-c', shell, process.execPath, program, folder], { encoding: 'utf8' });
    expect(run.stdout).toMatch(
      /WriteError .*checkpoint: cannot be written: the file is larger than this system allows/,
    );
    expect(run.status).toBe(3);
    expect(await stepOf()).toBe(1);
    expect(readdirSync(root)).toEqual(['checkpoint']);
    expect(new WriteError('x', Object.assign(new Error(), { code: 'ENOSPC' })).message).toMatch(/the disk is full/);
  });
});
