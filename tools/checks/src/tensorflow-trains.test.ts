/**
 * Models train on TensorFlow's kernels as they do on ours: the same weights, data and keys give the same losses and
 * gradient norms, step by step, on the engines `wasm` and `tensorflow`.
 */
import { ImageGPT } from '@tesserae/autoregressive';
import { AdamW } from '@tesserae/nn';
import { random, tf, useEngine, type Key } from '@tesserae/tensor';
import { tensorflow } from '@tesserae/tensorflow';
import { fit } from '@tesserae/train';
import { VQVAE } from '@tesserae/vq';
import { expect, test } from 'vitest';

const probe = await tensorflow.probe('tensorflow');
if (!probe.available) console.log(`Training on TensorFlow is not tested, because ${probe.reason} ${probe.remedy}`);

/** One line of a history, as numbers to compare. */
type Row = readonly [loss: number, gradientNorm: number];

const adamW = (): AdamW => new AdamW({ learningRate: 2e-3, betas: [0.9, 0.95] });

async function tokenizer(weights: Key, draw: Key): Promise<Row[]> {
  const model = random.withKey(
    weights,
    () => new VQVAE({ shape: [16, 16, 3], baseChannels: 8, codebookSize: 16, dim: 8 }),
  );
  const images = random.uniform(draw, [4, 16, 16, 3], { min: -1, max: 1 });
  const optimizer = adamW();
  const { history } = await fit({
    model,
    data: [images],
    prepare: (batch, key) => model.prepare(batch, key),
    loss: (batch, context) => model.loss(batch, context),
    optimizer,
    steps: 4,
    every: { log: 1 },
    log: () => {},
  });
  optimizer.dispose();
  model.dispose();
  images.dispose();
  return history.map(({ loss, gradientNorm }) => [loss, gradientNorm]);
}

async function prior(weights: Key, draw: Key): Promise<Row[]> {
  const model = random.withKey(
    weights,
    () => new ImageGPT({ vocabulary: 16, grid: [4, 4], layers: 1, heads: 2, dim: 16 }),
  );
  const tokens = random.randint(draw, [4, 4, 4], { min: 0, max: 16 });
  const optimizer = adamW();
  const { history } = await fit({
    model,
    data: [{ tokens }],
    loss: (batch, { training }) => model.loss(batch.tokens, { training }),
    optimizer,
    steps: 4,
    every: { log: 1 },
    log: () => {},
  });
  optimizer.dispose();
  model.dispose();
  tokens.dispose();
  return history.map(({ loss, gradientNorm }) => [loss, gradientNorm]);
}

test.skipIf(!probe.available).each([
  ['VQVAE', tokenizer],
  ['ImageGPT', prior],
])('%s trains on tensorflow as on wasm', async (_, train) => {
  const run = async (): Promise<Row[]> => {
    const [weights, draw] = [random.key(0), random.key(1)];
    const rows = await train(weights, draw);
    tf.dispose([weights, draw]);
    return rows;
  };
  await useEngine('wasm');
  const expected = await run();
  await useEngine('tensorflow', [tensorflow]);
  const before = tf.memory().numTensors;
  const rows = await run();
  const after = tf.memory().numTensors;

  expect(rows).toHaveLength(4);
  expect(after).toBe(before);
  rows.forEach((row, step) => {
    row.forEach((value, column) => {
      const other = expected[step]![column]!;
      expect(Math.abs(value - other), `step ${step}: ${value} and ${other}`).toBeLessThan(2e-3 * Math.abs(other));
    });
  });
  expect(rows.at(-1)![0]).toBeLessThan(rows[0]![0]);
});
