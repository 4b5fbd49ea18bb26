/**
 * Cached decoding on XLA, as one loop and step by step: the tokens of whole forward passes, those of the plain CPU engine
 * for the same key, and no memory left behind.
 */
import { ImageGPT, type SampleOptions } from '@tesserae/autoregressive';
import { random, tf, useEngine } from '@tesserae/tensor';
import { xla } from '@tesserae/xla';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';

const probe = await xla.probe('xla:cpu');
if (!probe.available) console.log(`Decoding on XLA is not tested, because ${probe.reason} ${probe.remedy}`);

/** A model whose weights are all noise, so that no head is zero; on the engine in use. */
function build(): ImageGPT {
  const config = {
    vocabulary: 11,
    grid: [3, 4],
    layers: 2,
    heads: 4,
    kvHeads: 2,
    dim: 16,
    hidden: 24,
    condition: { type: 'class', classes: 5 },
  } as const;
  const model = random.withKey(random.key(1), () => new ImageGPT(config));
  for (const [i, variable] of Object.values(model.parameters()).entries()) {
    tf.tidy(() => variable.assign(random.normal(random.key(1000 + i), variable.shape, { std: 0.3 })));
  }
  return model;
}

const requests: SampleOptions[] = [
  { temperature: 0 },
  { prefixTokens: [[1, 2, 3]], cfgScale: 2, cfgInterval: 3, topK: 8, temperature: 0.9 },
  { prefixTokens: [Array.from({ length: 11 }, (_, i) => i % 4)] },
].map((options) => ({ condition: [3, 1, 0], seed: 11, ...options }));

async function draw(model: ImageGPT, options: SampleOptions): Promise<number[]> {
  const drawn = await model.sample(options);
  const tokens = [...drawn.dataSync()];
  drawn.dispose();
  return tokens;
}

describe.skipIf(!probe.available)('decoding on xla:cpu', { tags: ['slow'] }, () => {
  let expected: number[][];
  let model: ImageGPT;

  beforeAll(async () => {
    await useEngine('cpu');
    const plain = build();
    expected = [];
    for (const options of requests) expected.push(await draw(plain, options));
    plain.dispose();
    await useEngine('xla:cpu', [xla]);
    model = build();
  });
  afterAll(() => {
    model.dispose();
  });

  test('as one loop, a key gives the tokens that it gives on the plain CPU engine', async () => {
    for (const [i, options] of requests.entries()) expect(await draw(model, options)).toEqual(expected[i]);
  });

  test('step by step, too, and every token is reported', async () => {
    for (const [i, options] of requests.entries()) {
      const seen: number[] = [];
      const reporting = { ...options, onToken: (position: number): void => void seen.push(position) };
      expect(await draw(model, reporting)).toEqual(expected[i]);
      const forced = Array.isArray(options.prefixTokens) ? (options.prefixTokens[0] as number[]).length : 0;
      expect(seen).toEqual(Array.from({ length: 12 - forced }, (_, k) => k + forced));
    }
  });

  test('the most probable tokens are those of whole forward passes', async () => {
    const condition = [3, 1, 0];
    const drawn = await model.sample({ condition, temperature: 0 });
    const best = tf.tidy(() =>
      tf
        .argMax(model.logits(tf.slice(drawn, [0, 0], [3, 11]), { condition: tf.tensor1d(condition, 'int32') }), -1)
        .arraySync(),
    );
    expect(drawn.arraySync()).toEqual(best);
    drawn.dispose();
  });

  test('memory is flat', async () => {
    const backend = tf.backend() as unknown as { memory(): { numBuffersOnDevice: number } };
    const both = async (): Promise<void> => {
      for (const options of requests) {
        await draw(model, options);
        await draw(model, { ...options, onToken: () => {} });
      }
      const failing = model.sample({
        count: 2,
        onToken: (position) => {
          if (position === 5) throw new Error('stop');
        },
      });
      await expect(failing).rejects.toThrow('stop');
    };
    const state = (): [number, number] => [tf.memory().numTensors, backend.memory().numBuffersOnDevice];
    await both();
    const before = state();
    await both();
    await both();
    expect(state()).toEqual(before);
  });
});
