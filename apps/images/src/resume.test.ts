/** Training that is killed or interrupted and continued has the same bits as training that was left alone. */
import { createHash } from 'node:crypto';
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { cp } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { readJsonl } from '@tesserae/train';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { child } from './testing/child.ts';
import { drawPictures } from './testing/pictures.ts';
import { xlaAvailable } from './testing/xla-available.ts';

const root = mkdtempSync(join(tmpdir(), 'resume-'));
const images = join(root, 'pictures');
const straight = join(root, 'straight');
const tiny = new URL('testing/tiny-tokenizer.ts', import.meta.url).pathname;
afterAll(() => rmSync(root, { recursive: true }));

const common = ['--batch', '8', '--checkpoint', '3', '--log', '1', '--engine', 'xla:cpu'];
const trainTokenizer = (out: string): string[] => [
  ...['train-tokenizer', '--images', images, '--size', '8', '--tokenizer', tiny, '--steps', '40', '--out', out],
  ...common,
];
const trainPrior = (out: string): string[] => [
  ...['train-prior', '--layers', '1', '--dim', '16', '--heads', '2', '--steps', '30', '--out', out],
  ...common,
];

/** All figures of every step, and a hash of every tensor file. */
function outcome(folder: string, files: readonly string[]): unknown {
  const curve = readJsonl(join(folder, 'log.jsonl'))
    .filter(({ kind }) => kind === 'train')
    .map(({ step, loss, terms, gradientNorm, learningRate }) => ({ step, loss, terms, gradientNorm, learningRate }));
  const hashes = files.map((file) => [
    file,
    createHash('sha256')
      .update(readFileSync(join(folder, file)))
      .digest('hex'),
  ]);
  return { curve, hashes };
}

const checkpoint = ['checkpoint/model.safetensors', 'checkpoint/optimizer.safetensors'];
const tokenizerOutcome = (out: string): unknown =>
  outcome(join(out, 'tokenizer'), ['model.safetensors', ...checkpoint]);
const priorOutcome = (out: string): unknown => outcome(join(out, 'prior'), checkpoint);

/** Pseudo-random whole numbers below `below` from a fixed seed (Park and Miller's generator). */
let draw = 20_260_801;
function below(limit: number): number {
  draw = (draw * 48_271) % 2_147_483_647;
  return draw % limit;
}

describe.skipIf(!(await xlaAvailable()))('on xla:cpu', { tags: ['slow'] }, () => {
  beforeAll(async () => {
    drawPictures(images, 24);
    const { code, output } = await child(trainTokenizer(straight));
    expect(code, output).toBe(0);
  }, 120_000);

  test('a tokenizer killed at three moments and stopped with Ctrl-C at a fourth', async () => {
    const broken = join(root, 'broken');
    for (const from of [2, 11, 20]) {
      const blow = { step: from + below(6), delay: below(25), signal: 'SIGKILL' } as const;
      const { signal, output } = await child([...trainTokenizer(broken), '--resume'], blow);
      expect(signal, output).toBe('SIGKILL');
    }
    const stopped = await child([...trainTokenizer(broken), '--resume'], { step: 28, delay: 0, signal: 'SIGINT' });
    expect(stopped.code, stopped.output).toBe(130);
    const step = Number(/Stopped after step (\d+); the same command with --resume/.exec(stopped.output)?.[1]);
    expect(step).toBeGreaterThanOrEqual(28);
    const { code, output } = await child([...trainTokenizer(broken), '--resume']);
    expect(code, output).toBe(0);
    expect(output).toContain(`Continuing after step ${step} of 40`);
    const expected = tokenizerOutcome(straight) as { curve: { step: number }[] };
    expect(expected.curve.map((entry) => entry.step)).toEqual(Array.from({ length: 40 }, (_, i) => i + 1));
    expect(tokenizerOutcome(broken)).toEqual(expected);
  });

  test('a prior killed at one moment', async () => {
    const broken = join(root, 'broken-prior');
    await cp(straight, broken, { recursive: true });
    const blow = { step: 8 + below(8), delay: below(25), signal: 'SIGKILL' } as const;
    const killed = await child(trainPrior(broken), blow);
    expect(killed.signal, killed.output).toBe('SIGKILL');
    const resumed = await child([...trainPrior(broken), '--resume']);
    expect(resumed.code, resumed.output).toBe(0);
    expect(resumed.output).toMatch(/Continuing after step \d+ of 30/);
    expect((await child(trainPrior(straight))).code).toBe(0);
    expect(priorOutcome(broken)).toEqual(priorOutcome(straight));
  });
});
