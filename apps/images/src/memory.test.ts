/** Training takes no more memory with every step: tensors and device bytes after 1,000 steps are those after 100. */
import { ImageGPT } from '@tesserae/autoregressive';
import { hostTensor, loader, tensorDataset } from '@tesserae/data';
import { AdamW, type Module } from '@tesserae/nn';
import { random, tf, useEngine } from '@tesserae/tensor';
import type { TrainableTokenizer } from '@tesserae/tokenizer';
import { fit, type FitOptions } from '@tesserae/train';
import { xla } from '@tesserae/xla';
import { beforeAll, describe, expect, test } from 'vitest';
import { tokenizer as tiny } from './testing/tiny-tokenizer.ts';
import { xlaAvailable } from './testing/xla-available.ts';

const pictures = 32;

/** Memory at every hundredth step of a training of a thousand. */
async function measure<B>(
  model: Module,
  options: Pick<FitOptions<B>, 'data' | 'loss' | 'prepare'>,
): Promise<tf.MemoryInfo[]> {
  const seen: tf.MemoryInfo[] = [];
  using optimizer = new AdamW({ learningRate: 1e-3 });
  await fit({
    ...options,
    model,
    optimizer,
    clip: 1,
    steps: 1000,
    every: { log: 50, sample: 100, validate: 0 },
    onSample: () => void seen.push(tf.memory()),
    log: () => {},
  });
  return seen;
}

/** The same figures at every moment, none of them trivially. */
function expectFlat(seen: readonly tf.MemoryInfo[]): void {
  expect(seen).toHaveLength(10);
  const figures = seen.map(({ numTensors, numDataBuffers, numBytes, ...rest }) => ({
    numTensors,
    numDataBuffers,
    numBytes,
    device: (rest as { numBytesOnDevice?: number }).numBytesOnDevice,
  }));
  expect(figures[0]?.numTensors).toBeGreaterThan(0);
  expect(figures[0]?.device).toBeGreaterThan(0);
  for (const figure of figures) expect(figure).toEqual(figures[0]);
}

describe.skipIf(!(await xlaAvailable()))('on xla:cpu', { tags: ['slow'] }, () => {
  beforeAll(async () => {
    await useEngine('xla:cpu', [xla]);
  });

  test('a tokenizer', async () => {
    const before = tf.memory().numTensors;
    {
      using key = random.key(1);
      using model = random.withKey(key, () => tiny.create({ shape: [8, 8, 3] })) as TrainableTokenizer;
      using noise = random.uniform(key, [pictures, 8, 8, 3], { min: -1, max: 1 });
      const images = hostTensor((await noise.data()) as Float32Array, noise.shape);
      const seen = await measure(model, {
        data: loader(tensorDataset({ images }), { batchSize: 8 }),
        loss: ({ images: batch }, { training }) => model.loss(batch, { training }),
        prepare: ({ images: batch }, prepareKey) => model.prepare?.(batch, prepareKey),
      });
      expectFlat(seen);
    }
    expect(tf.memory().numTensors).toBe(before);
  });

  test('a prior', async () => {
    const before = tf.memory().numTensors;
    {
      using key = random.key(2);
      using model = random.withKey(
        key,
        () => new ImageGPT({ vocabulary: 16, grid: [2, 2], layers: 1, dim: 16, heads: 2 }),
      );
      using drawn = random.randint(key, [pictures, 4], { min: 0, max: 16 });
      const tokens = hostTensor((await drawn.data()) as Int32Array, drawn.shape);
      const seen = await measure(model, {
        data: loader(tensorDataset({ tokens }), { batchSize: 8 }),
        loss: ({ tokens: batch }, { training }) => model.loss(batch, { training }),
      });
      expectFlat(seen);
    }
    expect(tf.memory().numTensors).toBe(before);
  });
});
