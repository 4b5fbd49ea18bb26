/** The prior on several devices of the CPU engine: the commands, and the losses of one device. */
import { cpSync, mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { drawPictures } from './testing/pictures.ts';
import { silentRun } from './testing/silent-run.ts';
import { xlaAvailable } from './testing/xla-available.ts';

const root = mkdtempSync(join(tmpdir(), 'mesh-'));
const images = join(root, 'pictures');
const tiny = new URL('testing/tiny-tokenizer.ts', import.meta.url).pathname;
beforeAll(() => drawPictures(images, 40, ['cats', 'dogs']));
afterAll(() => rmSync(root, { recursive: true }));

const available = await xlaAvailable();

test.skipIf(!available)('train-prior --devices 4 learns what one device learns', { tags: ['slow'] }, async () => {
  const run = async (out: string, ...words: string[]): Promise<void> => {
    const { code, err } = await silentRun(...words, '--engine', 'xla:cpu', '--out', out);
    expect(err).toBe('');
    expect(code).toBe(0);
  };
  const losses = (out: string): number[] =>
    readFileSync(join(out, 'prior', 'log.jsonl'), 'utf8')
      .trim()
      .split('\n')
      .map((line) => JSON.parse(line) as { kind: string; loss: number })
      .filter(({ kind }) => kind === 'train')
      .map(({ loss }) => loss);
  const [one, four] = [join(root, 'one'), join(root, 'four')] as const;
  const tokenizer = ['--images', images, '--size', '16', '--tokenizer', tiny];
  await run(one, 'train-tokenizer', ...tokenizer, '--steps', '2', '--batch', '8');
  cpSync(one, four, { recursive: true });
  const prior = ['train-prior', '--steps', '8', '--layers', '1', '--dim', '16', '--heads', '4', '--batch', '8'];
  await run(one, ...prior, '--log', '1', '--precision', 'float32');
  const mesh = ['--devices', '4', '--sharding', 'sharded'];
  await run(four, ...prior, '--log', '1', '--precision', 'float32', ...mesh);
  expect(losses(one)).toHaveLength(8);
  losses(four).forEach((loss, i) => expect(loss).toBeCloseTo(losses(one)[i] as number, 4));
});
