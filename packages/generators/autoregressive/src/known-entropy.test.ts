/**
 * A source whose entropy is known: an 8×8 grid of tokens in 0 … 7, x = (left + up + e) mod 8 with neighbours outside the
 * grid 0, and e = 0 with probability 0.9, else uniform on 1 … 7.
 *
 * Every token has exactly 0.519674 nats given those before it, and a model that ignores either neighbour cannot beat
 * ln 8 = 2.0794 in the interior, so a loss near the entropy means that rows and columns are both attended to.
 *
 * What always runs is a smaller model on a 3×3 grid. The full size takes three minutes on two cores with XLA:
 *
 *     TESSERAE_LONG=1 TESSERAE_ENGINE=xla:cpu TESSERAE_ENGINE_MODULE=../../engines/xla/src/index.ts \
 *       vitest run src/known-entropy.test.ts
 *
 * (The engine is named by a path, since a model package depends on none.)
 */
import { resolve } from 'node:path';
import { AdamW, schedules } from '@tesserae/nn';
import { type EngineProvider, random, tf, useEngine } from '@tesserae/tensor';
import { fit } from '@tesserae/train';
import { beforeAll, expect, test } from 'vitest';
import type { ImageGPTConfig } from './config.ts';
import { ImageGPT } from './image-gpt.ts';

const vocabulary = 8;
const noise = 0.1;
const entropy = -(1 - noise) * Math.log(1 - noise) - noise * Math.log(noise / (vocabulary - 1));

beforeAll(async () => {
  const { TESSERAE_ENGINE: name = 'wasm', TESSERAE_ENGINE_MODULE: path } = process.env;
  const providers = path === undefined ? [] : [((await import(resolve(path))) as { xla: EngineProvider }).xla];
  await useEngine(name, providers);
});

/** `count` grids of the source as rows of tokens, traceable. */
function drawGrids(key: tf.Tensor1D, count: number, side: number): tf.Tensor2D {
  return tf.tidy(() => {
    const [which, what] = random.split(key, 2) as [tf.Tensor1D, tf.Tensor1D];
    const noisy = random.bernoulli(which, noise, [side * side, count]);
    const values = random.randint(what, [side * side, count], { min: 1, max: vocabulary });
    const errors = tf.unstack(tf.mul(tf.cast(noisy, 'int32'), values));
    const cells: tf.Tensor[] = [];
    for (const [i, error] of errors.entries()) {
      const left = i % side > 0 ? (cells[i - 1] as tf.Tensor) : tf.zeros([count], 'int32');
      const up = i >= side ? (cells[i - side] as tf.Tensor) : tf.zeros([count], 'int32');
      cells.push(tf.mod(tf.add(tf.add(left, up), error), tf.scalar(vocabulary, 'int32')));
    }
    return tf.cast(tf.stack(cells, 1), 'int32') as tf.Tensor2D;
  });
}

/** Share of cells that equal (left + up) mod 8. */
function obeyed(tokens: tf.Tensor2D, side: number): number {
  const rows = tokens.arraySync();
  let hits = 0;
  for (const row of rows) {
    row.forEach((token, i) => {
      const left = i % side > 0 ? (row[i - 1] as number) : 0;
      const up = i >= side ? (row[i - side] as number) : 0;
      if (token === (left + up) % vocabulary) hits++;
    });
  }
  return hits / (rows.length * side * side);
}

/** Trains on fresh draws and returns the model with its held-out nats per token. */
async function train(config: ImageGPTConfig, steps: number, peak: number): Promise<[ImageGPT, number]> {
  const side = config.grid[0] as number;
  const model = random.withKey(random.key(1), () => new ImageGPT({ ...config, dropout: { token: 0, residual: 0 } }));
  using optimizer = new AdamW({
    learningRate: schedules.cosine({ peak, warmup: 20, total: steps }),
    betas: [0.9, 0.95],
    weightDecay: 0.01,
  });
  await fit({
    model,
    data: [0], // the loss draws its own batches on the device
    loss: (_, { key, training }) => model.loss(drawGrids(key, 64, side), { training }),
    optimizer,
    steps,
    seed: 2,
    log: () => {},
  });
  const heldOut = drawGrids(random.key(3), 256, side);
  return [model, (tf.mean(model.nll(heldOut)).dataSync()[0] as number) / (side * side)];
}

test('the source has the entropy that it should', () => {
  expect(entropy).toBeCloseTo(0.519674, 6);
  expect(obeyed(drawGrids(random.key(4), 500, 8), 8)).toBeCloseTo(0.9, 1.7); // 32,000 cells: ± 0.005 is three deviations
});

test('a small model learns from both neighbours in a few steps', async () => {
  const before = tf.memory().numTensors;
  const [model, nats] = await train({ vocabulary, grid: [3, 3], layers: 2, heads: 2, dim: 32, hidden: 64 }, 150, 5e-3);
  // With one neighbour alone: the entropy on the five cells of the first row and column, ln 8 on the other four.
  expect(nats).toBeLessThan((5 * entropy + 4 * Math.log(8)) / 9 - 0.2);
  expect(nats).toBeGreaterThan(entropy - 0.05);
  model.dispose();
  expect(tf.memory().numTensors - before).toBeLessThan(10);
});

test.runIf(process.env['TESSERAE_LONG'] === '1')(
  'the 4/4/128 model reaches the entropy, and its samples obey the rule as often as the source',
  { timeout: 3_600_000 },
  async () => {
    const [model, nats] = await train({ vocabulary, grid: [8, 8], layers: 4, heads: 4, dim: 128 }, 500, 1e-3);
    expect(nats).toBeLessThan(0.55);
    expect(nats).toBeGreaterThan(0.505); // 16,384 cells: the mean's standard error is 0.008 at most
    const share = obeyed(await model.sample({ count: 256, seed: 5 }), 8);
    expect(Math.abs(share - 0.9)).toBeLessThan(0.01);
  },
);
