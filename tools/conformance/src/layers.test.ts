/**
 * What stands above TensorFlow.js works on the engines: `model.fit` of tfjs-layers, from the same seeds, against the
 * plain CPU backend. Nothing is set up for it; its Node build shares the copy of tfjs-core that @tesserae/tensor has.
 */
import * as layers from '@tensorflow/tfjs-layers';
import { tf, useEngine } from '@tesserae/tensor';
import { xla } from '@tesserae/xla';
import { describe, expect, test } from 'vitest';
import { quickly } from './quick-compilation.ts';

// A step of the LSTM is a program of some thousand operations, compiled for a few steps.
process.env['XLA_FLAGS'] ??= quickly['xla:cpu'];
const timeout = 600_000;

interface Example {
  readonly model: () => layers.Sequential;
  readonly data: () => { x: tf.Tensor; y: tf.Tensor };
  readonly loss: string;
  readonly epochs: number;
  /** The last epoch's loss on the plain CPU backend. */
  readonly reached: number;
}

const kernel = (seed: number) => ({ kernelInitializer: layers.initializers.glorotUniform({ seed }) });

const examples: Readonly<Record<string, Example>> = {
  // Which of four places is bright, 48 pictures of 8x8.
  'a convolutional net': {
    model: () =>
      layers.sequential({
        layers: [
          layers.layers.conv2d({ inputShape: [8, 8, 1], filters: 4, kernelSize: 3, activation: 'relu', ...kernel(1) }),
          layers.layers.maxPooling2d({ poolSize: 2 }),
          layers.layers.batchNormalization(),
          layers.layers.flatten(),
          layers.layers.dense({ units: 4, activation: 'softmax', ...kernel(2) }),
        ],
      }),
    data: () => {
      const labels = Array.from({ length: 48 }, (_, i) => (i * 7) % 4);
      const pixels = labels.flatMap((label, i) =>
        Array.from({ length: 64 }, (_, p) => {
          const place = 2 * Number(p >= 32) + Number(p % 8 >= 4);
          return (place === label ? 1 : 0) + (((i + 3) * (p + 5) * 37) % 17) / 17;
        }),
      );
      return {
        x: tf.tensor4d(pixels, [48, 8, 8, 1]),
        y: tf.oneHot(tf.tensor1d(labels, 'int32'), 4).toFloat(),
      };
    },
    loss: 'categoricalCrossentropy',
    epochs: 6,
    reached: 0.0083034,
  },
  // The next value of a sine, from ten.
  'an LSTM': {
    model: () =>
      layers.sequential({
        layers: [
          layers.layers.lstm({
            inputShape: [10, 1],
            units: 6,
            ...kernel(3),
            recurrentInitializer: layers.initializers.orthogonal({ seed: 4 }),
          }),
          layers.layers.dense({ units: 1, ...kernel(5) }),
        ],
      }),
    data: () => {
      const wave = (t: number): number => Math.sin(0.4 * t);
      const windows = Array.from({ length: 32 }, (_, i) => Array.from({ length: 10 }, (_, t) => [wave(i + t)]));
      return { x: tf.tensor3d(windows), y: tf.tensor2d(windows.map((_, i) => [wave(i + 10)])) };
    },
    loss: 'meanSquaredError',
    epochs: 6,
    reached: 0.0638386,
  },
};

/** The loss of each epoch. */
async function fit(engine: string, example: Example): Promise<number[]> {
  await useEngine(engine, [xla]);
  const before = tf.memory().numTensors;
  const model = example.model();
  const { x, y } = example.data();
  const optimizer = tf.train.adam(0.02);
  model.compile({ optimizer, loss: example.loss });
  const { history } = await model.fit(x, y, { epochs: example.epochs, batchSize: 16, shuffle: false, verbose: 0 });
  model.dispose();
  optimizer.dispose();
  tf.dispose([x, y]);
  expect(tf.memory().numTensors - before).toBeLessThanOrEqual(2);
  return history['loss'] as number[];
}

const available = (await xla.probe('xla:cpu')).available;

describe.each(Object.entries(examples))('%s', { tags: ['slow'], timeout }, (_, example) => {
  test('learns on the plain CPU backend', async () => {
    const losses = await fit('cpu', example);
    expect(losses.at(-1)).toBeLessThan(0.6 * (losses[0] as number));
    expect(losses.at(-1)).toBeCloseTo(example.reached, 4);
  });

  test.for(['xla:cpu', 'wasm'])('learns the same on %s', async (engine, { skip }) => {
    skip(engine === 'xla:cpu' && !available, 'xla:cpu is not available');
    const expected = await fit('cpu', example);
    const losses = await fit(engine, example);
    losses.forEach((loss, i) => expect(Math.abs(loss - (expected[i] as number)), `epoch ${i}`).toBeLessThan(1e-4));
  });
});
