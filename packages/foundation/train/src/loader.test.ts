/** `fit` with the loader of `@tesserae/data`: shuffled, prefetching, resumed in the middle of an epoch. */
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { hostTensor, loader, tensorDataset } from '@tesserae/data';
import { AdamW } from '@tesserae/nn';
import { useEngine } from '@tesserae/tensor';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { fit, type FitResult } from './index.ts';
import { createToy } from './testing/toy.ts';

const root = mkdtempSync(join(tmpdir(), 'loader-'));
beforeAll(() => useEngine('cpu'));
afterAll(() => rmSync(root, { recursive: true }));

const wave = (length: number): Float32Array => Float32Array.from({ length }, (_, i) => Math.sin(1.3 * i));
const dataset = tensorDataset({ x: hostTensor(wave(150), [50, 3]), y: hostTensor(wave(50), [50, 1]) });

async function train(steps: number, out?: string, seed = 5): Promise<FitResult> {
  using model = createToy();
  using optimizer = new AdamW({ learningRate: 0.01 });
  return await fit({
    model,
    loss: (batch, { training }) => model.loss(batch, training),
    data: loader(dataset, { batchSize: 8, seed, prefetch: 3 }),
    optimizer,
    steps,
    every: { log: 1 },
    log: () => {},
    ...(out !== undefined && { out, resume: true }),
  });
}

const losses = ({ history }: FitResult): number[] => history.map(({ loss }) => loss);

test('batches continue where they were, in the middle of the second epoch', async () => {
  const straight = losses(await train(20));
  const out = join(root, 'run');
  const parts = [...losses(await train(9, out)), ...losses(await train(20, out))];
  expect(parts).toEqual(straight);
  // The order matters: another seed of the loader gives other losses, and is refused on resume.
  expect(losses(await train(20, undefined, 6))).not.toEqual(straight);
  await expect(train(21, out, 6)).rejects.toThrow(/saved with seed 5, this loader has 6/);
});
