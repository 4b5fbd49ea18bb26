import { random, tf, useEngine } from '@tesserae/tensor';
import { beforeAll, describe, expect, test } from 'vitest';
import type { ImageGPTConfig } from './config.ts';
import { buildSmall as build, conditionFor, small } from './fixtures/small-model.ts';
import { ImageGPT } from './image-gpt.ts';
import type { DecodeCache } from './decode-cache.ts';
import type { SampleOptions } from './sampler.ts';

beforeAll(async () => {
  await useEngine('cpu');
});

const classes = { condition: { type: 'class', classes: 5 } } as const;

describe('cached decoding is the full forward pass', () => {
  test.each<[string, Partial<ImageGPTConfig>]>([
    ['llama', {}],
    ['llama, class', classes],
    ['llama, grouped keys', { heads: 4, kvHeads: 2 }],
    ['llama, reference rope', { ...classes, referenceZeroRope: true }],
    ['llama, prefix', { condition: { type: 'prefix', vocabulary: 7, length: 3 } }],
    ['llama, features', { condition: { type: 'features', dim: 6, length: 3 } }],
    ['mingpt, class', { ...classes, profile: 'mingpt' }],
    ['fairseq', { profile: 'fairseq' }],
    ['fairseq, prefix', { profile: 'fairseq', condition: { type: 'prefix', vocabulary: 7, length: 3 } }],
  ])('%s: every step, from an empty start and from forced tokens', (_, config) => {
    const model = build(config);
    const [batch, length, vocabulary] = [2, 12, 11];
    const tokens = random.randint(random.key(5), [batch, length], { min: 0, max: vocabulary }) as tf.Tensor2D;
    const condition = conditionFor(model, batch);
    const full = model.logits(tf.slice(tokens, 0, [batch, length - 1]), { condition });
    for (const forced of [0, 4]) {
      const prefix = forced > 0 ? tf.slice(tokens, 0, [batch, forced]) : undefined;
      let { logits, cache } = model.prefill(batch, prefix, condition);
      for (let position = forced; position < length; position++) {
        if (position > forced) {
          const last = tf.reshape(tf.slice(tokens, [0, position - 1], [batch, 1]), [batch]) as tf.Tensor1D;
          ({ logits, cache } = model.step(last, tf.scalar(position, 'int32'), cache));
        }
        const expected = tf.reshape(tf.slice(full, [0, position, 0], [batch, 1, vocabulary]), [batch, vocabulary]);
        expect(tf.max(tf.abs(tf.sub(logits, expected))).dataSync()[0]).toBeLessThan(1e-4);
      }
    }
  });

  test('with guidance: greedy tokens are the argmax of guided full-forward logits', async () => {
    const model = build(classes);
    const condition = [3, 1];
    const scale = 2.5;
    const drawn = await model.sample({ condition, cfgScale: scale, temperature: 0 });
    const inputs = tf.slice(drawn, 0, [2, 11]);
    const conditional = model.logits(inputs, { condition: tf.tensor1d(condition, 'int32') });
    const unconditional = model.logits(inputs);
    const guided = tf.add(unconditional, tf.mul(tf.sub(conditional, unconditional), scale));
    expect([...drawn.dataSync()]).toEqual([...tf.argMax(guided, -1).dataSync()]);
    // … which guidance changes.
    const plain = await model.sample({ condition, temperature: 0 });
    expect([...plain.dataSync()]).not.toEqual([...drawn.dataSync()]);
  });

  test('an interval of guidance ends after that many steps beyond the first', async () => {
    const model = build(classes);
    const options = { condition: [3, 1, 0, 4], cfgScale: 4, temperature: 0 };
    const guided = await model.sample(options);
    const partly = await model.sample({ ...options, cfgInterval: 4 });
    // The first token and steps 0 … 4, that is tokens 0 … 5, are guided.
    const [head, rest] = [6, 6];
    expect([...tf.slice(partly, 0, [4, head]).dataSync()]).toEqual([...tf.slice(guided, 0, [4, head]).dataSync()]);
    const continued = await model.sample({
      condition: options.condition,
      temperature: 0,
      prefixTokens: tf.slice(guided, 0, [4, head]),
    });
    expect([...partly.dataSync()]).toEqual([...continued.dataSync()]);
    expect([...tf.slice(partly, [0, head], [4, rest]).dataSync()]).not.toEqual([
      ...tf.slice(guided, [0, head], [4, rest]).dataSync(),
    ]);
  });

  test('a cache holds what the prefill writes, and zeros behind it', () => {
    const model = build();
    const empty = model.createCache(2);
    expect(empty.keys.map(({ shape }) => shape)).toEqual(Array.from({ length: 2 }, () => [2, 2, 12, 8]));
    const { cache } = model.prefill(2, tf.zeros([2, 3], 'int32'));
    for (const side of ['keys', 'values'] as const satisfies (keyof DecodeCache)[]) {
      for (const [layer, rows] of cache[side].entries()) {
        expect(rows.shape).toEqual(empty[side][layer]!.shape);
        expect(tf.max(tf.abs(tf.slice(rows, [0, 0, 4, 0], [2, 2, 8, 8]))).dataSync()[0]).toBe(0);
        expect(tf.min(tf.max(tf.abs(tf.slice(rows, [0, 0, 0, 0], [2, 2, 4, 8])), 3)).dataSync()[0]).toBeGreaterThan(0);
      }
    }
  });
});

describe('sampling', () => {
  test('a seed gives the same tokens; another seed others; no sample depends on how many follow', async () => {
    const model = build(classes);
    const draw = async (seed: number, count: number): Promise<number[]> => [
      ...(await model.sample({ count, seed, topK: 8, topP: 0.95, temperature: 0.9 })).dataSync(),
    ];
    expect(await draw(1, 3)).toEqual(await draw(1, 3));
    expect(await draw(1, 3)).not.toEqual(await draw(2, 3));
    expect((await draw(1, 3)).slice(0, 24)).toEqual(await draw(1, 2));
  });

  // Drawn when a step still selected between the whole cache and the new row.
  test.each<[SampleOptions, number[]]>([
    [
      { temperature: 0 },
      [8, 6, 6, 7, 10, 9, 3, 6, 6, 6, 3, 6, 1, 1, 8, 8, 4, 3, 6, 4, 10, 9, 3, 6, 9, 0, 2, 10, 2, 10, 9, 0, 2, 10, 9, 2],
    ],
    [
      { cfgScale: 1.5, topK: 8, topP: 0.95, temperature: 0.9 },
      [
        10, 4, 1, 10, 10, 0, 10, 0, 2, 3, 7, 10, 8, 5, 6, 8, 8, 7, 4, 9, 5, 3, 4, 3, 9, 8, 0, 10, 7, 10, 10, 9, 5, 3, 6,
        10,
      ],
    ],
    [
      { prefixTokens: [[1, 2, 3]], cfgScale: 2, cfgInterval: 3 },
      [1, 2, 3, 4, 8, 4, 8, 4, 2, 3, 7, 10, 1, 2, 3, 8, 8, 7, 4, 9, 5, 2, 4, 3, 1, 2, 3, 10, 6, 10, 10, 9, 8, 5, 8, 10],
    ],
  ])('a seed gives the tokens that it always gave: %o', async (options, tokens) => {
    const drawn = await build(classes).sample({ condition: [3, 1, 0], seed: 11, ...options });
    expect([...drawn.dataSync()]).toEqual(tokens);
  });

  test('tokens are in the vocabulary, int32 [count, N]', async () => {
    const drawn = await build().sample({ count: 5, seed: 3 });
    expect(drawn.shape).toEqual([5, 12]);
    expect(drawn.dtype).toBe('int32');
    drawn.dataSync().forEach((token) => expect(token >= 0 && token < 11).toBe(true));
  });

  test('temperature 0, temperature towards 0 and top-k 1 are one and the same', async () => {
    const model = build();
    const greedy = [...(await model.sample({ count: 2, temperature: 0, seed: 1 })).dataSync()];
    expect([...(await model.sample({ count: 2, temperature: 1e-4, seed: 2 })).dataSync()]).toEqual(greedy);
    expect([...(await model.sample({ count: 2, topK: 1, seed: 3 })).dataSync()]).toEqual(greedy);
  });

  test('a zero head samples uniformly', async () => {
    const model = random.withKey(random.key(1), () => new ImageGPT({ ...small, vocabulary: 4 }));
    const drawn = (await model.sample({ count: 200, seed: 7 })).dataSync();
    const counts = [0, 1, 2, 3].map((token) => drawn.filter((other) => other === token).length);
    // 2400 draws: 600 each, standard deviation 21.
    for (const count of counts) expect(Math.abs(count - 600)).toBeLessThan(85);
  });

  test('forcing the first tokens of a run continues it as it went', async () => {
    const model = build(classes);
    const options = { condition: [3, 1, 0], seed: 11, cfgScale: 1.5 };
    const all = await model.sample(options);
    const half = tf.slice(all, 0, [3, 6]);
    expect([...(await model.sample({ ...options, prefixTokens: half })).dataSync()]).toEqual([...all.dataSync()]);
    const one = await model.sample({ ...options, prefixTokens: [[1, 2]] });
    expect([...tf.slice(one, 0, [3, 2]).dataSync()]).toEqual([1, 2, 1, 2, 1, 2]);
  });

  test('tokens are reported in order while they are drawn', async () => {
    const seen: number[][] = [];
    const drawn = await build().sample({
      count: 2,
      onToken: async (position, tokens) => void seen.push([position, ...(await tokens.data())]),
    });
    const values = (await drawn.array()) as number[][];
    expect(seen).toEqual(Array.from({ length: 12 }, (_, i) => [i, values[0]![i], values[1]![i]]));
  });

  test('memory is flat, after an error in a callback too', async () => {
    const model = build(classes);
    const run = async (): Promise<void> => {
      (await model.sample({ condition: [1, 2], cfgScale: 2, cfgInterval: 3, topK: 5, topP: 0.9 })).dispose();
      (await model.sample({ count: 2, prefixTokens: [[1, 2]] })).dispose();
      const failing = model.sample({
        count: 2,
        onToken: (position) => {
          if (position === 5) throw new Error('stop');
        },
      });
      await expect(failing).rejects.toThrow('stop');
    };
    await run();
    const before = tf.memory().numTensors;
    await run();
    await run();
    expect(tf.memory().numTensors).toBe(before);
  });
});

describe('bad input', () => {
  const model = (): ImageGPT => build();
  const classModel = (): ImageGPT => build(classes);

  test.each([
    [{}, /count must be a positive integer, got undefined/],
    [{ count: 0 }, /count must be a positive integer, got 0/],
    [{ count: 1, cfgScale: 2 }, /cfgScale 2 needs a null condition, and a 'none' model has none/],
    [{ count: 1, topP: 300 }, /topP must be in \[0, 1\] \(1 = off\), got 300/],
    [{ count: 1, temperature: -1 }, /temperature must be at least 0, got -1/],
    [{ count: 2, prefixTokens: [[1, 2], [3]] }, /rows of one length below 12, got lengths 2, 1/],
    [{ count: 3, prefixTokens: [[1], [3]] }, /must have 1 or 3 rows, got 2/],
    [{ count: 1, prefixTokens: [[1, 11]] }, /token 11 at position 1 is outside \[0, 11\)/],
    [{ count: 1, prefixTokens: [Array.from({ length: 12 }, () => 0)] }, /below 12, got lengths 12/],
  ])('%o', async (options, message) => {
    await expect(model().sample(options)).rejects.toThrow(message);
  });

  test('labels out of range, and more or fewer of them than images', async () => {
    await expect(classModel().sample({ condition: [0, 6] })).rejects.toThrow(
      /label 6 at position 1 is outside \[0, 5\)/,
    );
    await expect(classModel().sample({ condition: [0, 1], count: 3 })).rejects.toThrow(/2 rows for a count of 3/);
  });
});
