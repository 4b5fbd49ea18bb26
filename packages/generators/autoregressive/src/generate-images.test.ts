import { random, tf, useEngine } from '@tesserae/tensor';
import type { TokenSpec } from '@tesserae/tokenizer';
import { beforeAll, expect, test } from 'vitest';
import { type GenerateOptions, generateImages } from './generate-images.ts';
import { ImageGPT } from './image-gpt.ts';

beforeAll(async () => {
  await useEngine('cpu');
});

/** Each token is one grey pixel: token / 4 − 1, up to 1.75, so that the clamp shows. */
const spec: TokenSpec = { kind: 'discrete', signal: 'image', shape: [3, 4, 1], grid: [3, 4], vocabulary: 12 };
const pixels = {
  spec,
  decode: (tokens: tf.Tensor): tf.Tensor => tf.sub(tf.div(tf.expandDims(tf.cast(tokens, 'float32'), -1), 4), 1),
};

function build(classes?: number): ImageGPT {
  return random.withKey(
    random.key(1),
    () =>
      new ImageGPT({
        vocabulary: 12,
        grid: [3, 4],
        layers: 1,
        heads: 2,
        dim: 8,
        hidden: 8,
        switches: { zeroHead: false },
        ...(classes && { condition: { type: 'class', classes } }),
      }),
  );
}

test('images are the decoded tokens, clamped', async () => {
  const { images, tokens } = await generateImages(build(), pixels, { count: 3, seed: 1 });
  expect(images.shape).toEqual([3, 3, 4, 1]);
  expect(tokens.shape).toEqual([3, 3, 4]);
  const expected = [...tokens.dataSync()].map((token) => Math.min(token / 4 - 1, 1));
  images.dataSync().forEach((value, i) => expect(value).toBeCloseTo(expected[i] as number, 6));
  expect(Math.max(...images.dataSync())).toBe(1);
});

test('one batch is model.sample with the same seed', async () => {
  const model = build();
  const { tokens } = await generateImages(model, pixels, { count: 3, seed: 4 });
  expect([...tokens.dataSync()]).toEqual([...(await model.sample({ count: 3, seed: 4 })).dataSync()]);
});

test('several batches: the right number, all different, labels and forced rows in their places', async () => {
  const model = build(5);
  const options: GenerateOptions = {
    condition: [0, 1, 2, 3, 4],
    batchSize: 2,
    seed: 4,
    prefixTokens: [[5], [6], [7], [8], [9]],
  };
  const { images, tokens } = await generateImages(model, pixels, options);
  expect(images.shape[0]).toBe(5);
  const rows = (tf.reshape(tokens, [5, 12]) as tf.Tensor2D).arraySync();
  expect(rows.map((row) => row[0])).toEqual([5, 6, 7, 8, 9]);
  expect(new Set(rows.map((row) => row.slice(1).join())).size).toBe(5);
  // Greedily, batches change nothing.
  const greedy = async (batchSize: number): Promise<number[]> => [
    ...(await generateImages(model, pixels, { ...options, batchSize, temperature: 0 })).tokens.dataSync(),
  ];
  expect(await greedy(2)).toEqual(await greedy(64));
});

test('progress counts tokens of all batches', async () => {
  const seen: [number, number][] = [];
  await generateImages(build(), pixels, {
    count: 4,
    batchSize: 2,
    onProgress: (...figures) => void seen.push(figures),
  });
  expect(seen).toEqual(Array.from({ length: 24 }, (_, i) => [i + 1, 24]));
});

test('no tensors are left, whether it ends well or not', async () => {
  const model = build(5);
  const run = async (): Promise<void> => {
    const result = await generateImages(model, pixels, { condition: [0, 1, 2], batchSize: 2, cfgScale: 2 });
    tf.dispose({ ...result });
    const condition = tf.tensor1d([1, 2, 3], 'int32');
    tf.dispose({ ...(await generateImages(model, pixels, { condition, batchSize: 2, prefixTokens: [[1]] })) });
    condition.dispose();
    const broken = {
      spec,
      decode: () => {
        throw new Error('broken');
      },
    };
    await expect(generateImages(model, broken, { count: 1 })).rejects.toThrow('broken');
  };
  await run();
  const before = tf.memory().numTensors;
  await run();
  expect(tf.memory().numTensors).toBe(before);
});

test.each<[string, Partial<TokenSpec>, RegExp]>([
  ['grid', { grid: [4, 4] }, /grid of 3×4 tokens of 12, but the tokenizer makes discrete 4×4 tokens of 12/],
  ['vocabulary', { vocabulary: 512 } as Partial<TokenSpec>, /3×4 tokens of 12, but .* 3×4 tokens of 512/],
  ['kind', { kind: 'continuous', dim: 4 } as Partial<TokenSpec>, /discrete image tokens, but .* continuous 3×4 tokens/],
  ['signal', { signal: 'text' }, /discrete image tokens, but .* for text/],
])('a tokenizer with another %s is refused', async (_, change, message) => {
  const other = { ...pixels, spec: { ...spec, ...change } as TokenSpec };
  await expect(generateImages(build(), other, { count: 1 })).rejects.toThrow(message);
});

test('bad counts are refused', async () => {
  await expect(generateImages(build(), pixels, {})).rejects.toThrow(/count must be a positive integer, got undefined/);
  await expect(generateImages(build(), pixels, { count: 1, batchSize: 0 })).rejects.toThrow(/batchSize.*got 0/);
  await expect(generateImages(build(5), pixels, { count: 3, condition: [1] })).rejects.toThrow(
    /1 rows for a count of 3/,
  );
});
