/** The whole way from pictures to new pictures, on each engine: every command, every file, every figure. */
import { existsSync, mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import type { Metrics } from './metrics-file.ts';
import { drawPictures } from './testing/pictures.ts';
import { silentRun } from './testing/silent-run.ts';
import { xlaAvailable } from './testing/xla-available.ts';

const root = mkdtempSync(join(tmpdir(), 'demo-'));
const images = join(root, 'pictures');
const tiny = new URL('testing/tiny-tokenizer.ts', import.meta.url).pathname;
beforeAll(() => drawPictures(images, 40, ['cats', 'dogs']));
afterAll(() => rmSync(root, { recursive: true }));

/** Width and height of a PNG file. */
function pngSize(file: string): [number, number] {
  const bytes = readFileSync(file);
  expect(bytes.subarray(1, 4).toString()).toBe('PNG');
  return [bytes.readUInt32BE(16), bytes.readUInt32BE(20)];
}

async function succeed(...words: string[]): Promise<string> {
  const { code, out, err } = await silentRun(...words);
  expect(err).toBe('');
  expect(code).toBe(0);
  return out;
}

const engines: [string, boolean][] = [
  ['wasm', true],
  ['xla:cpu', await xlaAvailable()],
];

for (const [engine, available] of engines) {
  describe.skipIf(!available)(engine, { tags: ['slow'] }, () => {
    const out = join(root, engine.replace(':', '-'));
    const flags = ['--engine', engine, '--out', out];

    test('demo --quick writes grids, figures with baselines, logs and checkpoints', async () => {
      const settings = ['--images', images, '--size', '16', '--batch', '8', '--tokenizer', tiny];
      const printed = await succeed('demo', '--quick', ...settings, ...flags);
      expect(printed).toContain(`engine: ${engine}`);
      expect(printed).toMatch(/done in \d+ s, peak memory/);
      for (const part of ['tokenizer', 'prior']) {
        for (const file of ['log.jsonl', 'checkpoint/state.json', 'checkpoint/model.safetensors']) {
          expect(existsSync(join(out, part, file)), `${part}/${file}`).toBe(true);
        }
      }
      const metrics = JSON.parse(readFileSync(join(out, 'metrics.json'), 'utf8')) as Required<Metrics>;
      const { tokenizer, prior, seconds } = metrics;
      expect(metrics.engine).toBe(engine);
      expect(metrics.run).toEqual({ pictures: { images, size: 16, classes: false, seed: 0 }, tokenizer: tiny });
      expect(metrics.peakMemory).toBeGreaterThan(1e7);
      expect(tokenizer).toMatchObject({ pictures: 4, vocabulary: 16 });
      expect(tokenizer.usage).toBeGreaterThan(0);
      expect(tokenizer.perplexity).toBeGreaterThanOrEqual(1);
      expect(Math.abs(tokenizer.ssim as number)).toBeLessThanOrEqual(1);
      expect(tokenizer.psnr).toBeGreaterThan(0);
      expect(tokenizer.baselines.psnrOf4x4Means).toBeGreaterThan(tokenizer.baselines.psnrOf8x8Means);
      expect(prior.pictures).toBe(4);
      expect(prior.natsPerToken).toBeGreaterThan(0);
      expect(prior.bitsPerPicture).toBeCloseTo((prior.natsPerToken * 16) / Math.LN2, 5);
      expect(prior.baselines.uniformNats).toBeCloseTo(Math.log(16), 6);
      expect(prior.baselines.unigramNats).toBeGreaterThan(0);
      expect(Object.keys(seconds).sort()).toEqual(['all', 'pictures', 'prior', 'scores', 'start', 'tokenizer']);
      // Pictures of 16 are enlarged to 64: 8×8 samples; four pairs.
      expect(pngSize(join(out, 'samples.png'))[0]).toBeGreaterThanOrEqual(8 * 64);
      expect(pngSize(join(out, 'reconstructions.png'))[1]).toBeGreaterThanOrEqual(64);
    });

    test('demo --resume of a finished run trains nothing and gives the same figures', async () => {
      const before = JSON.parse(readFileSync(join(out, 'metrics.json'), 'utf8')) as Metrics;
      const settings = ['--images', images, '--size', '16', '--batch', '8', '--tokenizer', tiny];
      const printed = await succeed('demo', '--quick', '--resume', ...settings, ...flags);
      expect(printed).toContain('reconstruction:');
      const after = JSON.parse(readFileSync(join(out, 'metrics.json'), 'utf8')) as Metrics;
      expect(after.tokenizer).toEqual(before.tokenizer);
      expect(after.prior).toEqual(before.prior);
    });

    test('evaluate gives the figures of the demo again', async () => {
      const before = JSON.parse(readFileSync(join(out, 'metrics.json'), 'utf8')) as Metrics;
      rmSync(join(out, 'metrics.json'));
      await succeed('evaluate', ...flags);
      const after = JSON.parse(readFileSync(join(out, 'metrics.json'), 'utf8')) as Metrics;
      expect(after.tokenizer).toEqual(before.tokenizer);
      expect(after.prior).toEqual(before.prior);
    });

    test('sample is a function of the seed; reconstruct takes other pictures', async () => {
      const draw = async (file: string, seed: string): Promise<Buffer> => {
        await succeed('sample', '--count', '4', '--seed', seed, '--file', file, ...flags);
        return readFileSync(join(out, file));
      };
      const first = await draw('a.png', '3');
      expect(await draw('b.png', '3')).toEqual(first);
      expect(await draw('c.png', '4')).not.toEqual(first);
      await succeed('reconstruct', '--images', join(images, 'cats'), '--file', 'cats.png', ...flags);
      expect(existsSync(join(out, 'cats.png'))).toBe(true);
      const { code, err } = await silentRun('sample', '--class', 'cats', ...flags);
      expect([code, err.split('\n')[0]]).toEqual([
        2,
        'tesserae-images sample: this prior has no classes; train with --classes.',
      ]);
    });

    test('packed pictures with classes: train, then sample one class', async () => {
      const file = join(root, 'pack.safetensors');
      await succeed('pack', '--images', images, '--size', '8', '--classes', '--file', file);
      const classFlags = ['--engine', engine, '--out', `${out}-classes`];
      const settings = ['--images', file, '--size', '8', '--classes', '--batch', '8', '--tokenizer', tiny];
      await succeed('demo', '--quick', ...settings, ...classFlags);
      const metrics = JSON.parse(readFileSync(join(`${out}-classes`, 'metrics.json'), 'utf8')) as Metrics;
      expect(metrics.tokenizer).not.toHaveProperty('ssim');
      await succeed('sample', '--class', 'dogs', '--count', '4', '--cfg', '2', ...classFlags);
      const { code, err } = await silentRun('sample', '--class', 'birds', ...classFlags);
      expect(code).toBe(2);
      expect(err).toContain("there is no class 'birds'; there are cats, dogs");
    });
  });
}
