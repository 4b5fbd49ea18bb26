import { random, tf, useEngine, valueAndGrad } from '@tesserae/tensor';
import { beforeAll, describe, expect, test } from 'vitest';
import type { ImageGPTConfig } from './config.ts';
import { buildSmall as build, conditionFor, small } from './fixtures/small-model.ts';
import { ImageGPT } from './image-gpt.ts';
import { parameterCount, parameterShapes } from './parameter-count.ts';

beforeAll(async () => {
  await useEngine('cpu');
});

function tokensOf(batch: number, seed = 5, { vocabulary, grid }: ImageGPTConfig = small): tf.Tensor2D {
  const length = (grid[0] as number) * (grid[1] as number);
  return random.randint(random.key(seed), [batch, length], { min: 0, max: vocabulary }) as tf.Tensor2D;
}

function distance(a: tf.Tensor, b: tf.Tensor): number {
  return tf.tidy(() => tf.max(tf.abs(tf.sub(a, b))).dataSync()[0] as number);
}

const variants: [string, Partial<ImageGPTConfig>][] = [
  ['llama', {}],
  ['llama, class', { condition: { type: 'class', classes: 5 } }],
  ['llama, grouped keys', { heads: 4, kvHeads: 2 }],
  ['llama, tied', { tieEmbeddings: true }],
  ['llama, reference rope', { referenceZeroRope: true, condition: { type: 'class', classes: 5 } }],
  ['llama, prefix', { condition: { type: 'prefix', vocabulary: 7, length: 3 } }],
  ['llama, features', { condition: { type: 'features', dim: 6, length: 3 } }],
  ['mingpt', { profile: 'mingpt' }],
  ['mingpt, class', { profile: 'mingpt', condition: { type: 'class', classes: 5 } }],
  ['fairseq', { profile: 'fairseq' }],
  [
    'fairseq, prefix, tied',
    { profile: 'fairseq', tieEmbeddings: true, condition: { type: 'prefix', vocabulary: 7, length: 3 } },
  ],
];

describe('parameters', () => {
  test.each(variants)('%s: names, shapes and count are those computed from the configuration', (_, config) => {
    const model = build(config);
    const shapes = Object.fromEntries(Object.entries(model.parameters()).map(([name, { shape }]) => [name, shape]));
    expect(shapes).toEqual(parameterShapes({ ...small, ...config }));
    const allocated = Object.values(model.parameters()).reduce((total, { size }) => total + size, 0);
    expect(allocated).toBe(parameterCount({ ...small, ...config }));
    model.dispose();
  });

  test('construction and disposal leave no tensors', () => {
    const before = tf.memory().numTensors;
    const key = random.key(3);
    random.withKey(key, () => new ImageGPT({ ...small, condition: { type: 'features', dim: 6, length: 3 } })).dispose();
    key.dispose();
    expect(tf.memory().numTensors).toBe(before);
  });

  test('the same key makes the same weights', () => {
    const [a, b] = [1, 1].map((seed) => random.withKey(random.key(seed), () => new ImageGPT(small)));
    for (const [name, variable] of Object.entries(a!.parameters())) {
      expect(distance(variable, b!.parameters()[name] as tf.Tensor)).toBe(0);
    }
  });
});

describe('loss', () => {
  test('a zero head gives exactly ln V', () => {
    const vocabulary = 16384;
    const model = random.withKey(random.key(1), () => new ImageGPT({ ...small, vocabulary }));
    const tokens = tokensOf(2, 5, { ...small, vocabulary });
    const { loss, terms } = model.loss(tokens);
    expect(loss.dataSync()[0]).toBeCloseTo(9.704061, 5);
    expect(terms.nats.dataSync()[0]).toBeCloseTo(9.704061, 5);
  });

  test('is the mean of nll / N, and takes tokens as a grid', () => {
    const model = build();
    const tokens = tokensOf(3);
    const nll = model.nll(tokens);
    expect(nll.shape).toEqual([3]);
    const mean = tf.mean(nll).dataSync()[0]! / 12;
    expect(model.loss(tokens).loss.dataSync()[0]).toBeCloseTo(mean, 5);
    expect(model.loss(tf.reshape(tokens, [3, 3, 4])).loss.dataSync()[0]).toBeCloseTo(mean, 5);
  });

  test('is the cross-entropy of the logits, position by position', () => {
    const model = build();
    const tokens = tokensOf(2);
    const logits = model.logits(tf.slice(tokens, 0, [2, 11]));
    expect(logits.shape).toEqual([2, 12, 11]);
    const logProbabilities = tf.logSoftmax(logits).arraySync() as number[][][];
    const expected = (tokens.arraySync() as number[][]).map(
      (row, b) => -row.reduce((sum, token, i) => sum + (logProbabilities[b]?.[i]?.[token] as number), 0),
    );
    model
      .nll(tokens)
      .dataSync()
      .forEach((value, b) => expect(value).toBeCloseTo(expected[b] as number, 3));
  });

  test('weights leave samples out', () => {
    const model = build();
    const tokens = tokensOf(3);
    const all = model.nll(tokens).dataSync();
    const weighted = model.loss(tokens, { weights: tf.tensor1d([1, 0, 1]) }).loss.dataSync()[0]!;
    expect(weighted).toBeCloseTo((all[0]! + all[2]!) / 24, 5);
  });

  test('label smoothing is (1−ε)·nll − ε·mean log p, in training only', () => {
    const rates = { token: 0, residual: 0 };
    const model = build({ labelSmoothing: 0.1, dropout: rates });
    const tokens = tokensOf(2);
    const plain = model.loss(tokens);
    const smooth = random.withKey(random.key(1), () => model.loss(tokens, { training: true }));
    const logProbabilities = tf.logSoftmax(model.logits(tf.slice(tokens, 0, [2, 11])));
    const uniform = -tf.mean(logProbabilities).dataSync()[0]!;
    const nats = plain.loss.dataSync()[0]!;
    expect(smooth.terms.nats.dataSync()[0]).toBeCloseTo(nats, 5);
    expect(smooth.loss.dataSync()[0]).toBeCloseTo(0.9 * nats + 0.1 * uniform, 5);
  });

  test('dropout, drop-path and input corruption act in training only, and follow the key', () => {
    for (const config of [{}, { dropPath: 0.5 }, { keepInput: 0.5 }] satisfies Partial<ImageGPTConfig>[]) {
      const model = build(config);
      const tokens = tokensOf(2);
      const train = (seed: number): number =>
        random.withKey(random.key(seed), () => model.loss(tokens, { training: true })).loss.dataSync()[0]!;
      const evaluated = model.loss(tokens).loss.dataSync()[0]!;
      expect(train(1)).toBe(train(1));
      expect(train(1)).not.toBe(train(2));
      expect(train(1)).not.toBe(evaluated);
      expect(model.loss(tokens).loss.dataSync()[0]).toBe(evaluated);
    }
  });
});

describe('gradient', () => {
  test.each(variants)('%s: agrees with the slope of the loss along a random direction', (_, config) => {
    const model = build(config);
    const parameters = model.parameters();
    const tokens = tokensOf(2);
    const condition = conditionFor(model, 2);
    const { grads } = valueAndGrad(() => model.loss(tokens, { condition }).loss, parameters);
    const directions = Object.entries(parameters).map(([name, variable], i) => {
      const direction = random.normal(random.key(200 + i), variable.shape);
      return { variable, direction, along: tf.sum(tf.mul(grads[name]!, direction)).dataSync()[0]! };
    });
    const lossAt = (shift: number): number => {
      for (const { variable, direction } of directions) variable.assign(tf.add(variable, tf.mul(direction, shift)));
      return model.loss(tokens, { condition }).loss.dataSync()[0]!;
    };
    const epsilon = 1e-3;
    const slope = -(lossAt(-epsilon) - lossAt(2 * epsilon)) / (2 * epsilon);
    const expected = directions.reduce((sum, { along }) => sum + along, 0);
    expect(Math.abs(slope - expected)).toBeLessThan(2e-2 + 1e-2 * Math.abs(expected));
    // Every parameter has a part in it.
    expect(directions.filter(({ along }) => along === 0)).toEqual([]);
    model.dispose();
  });
});

describe('causality', () => {
  test.each(variants)('%s: changing token t leaves the predictions of tokens up to t as they were', (_, config) => {
    const model = build(config);
    const condition = conditionFor(model, 1);
    const tokens = tf.slice(tokensOf(1), 0, [1, 11]);
    const logits = model.logits(tokens, { condition });
    for (const t of [0, 5, 10]) {
      const changed = tf.tidy(() => {
        const values = tokens.arraySync() as number[][];
        values[0]![t] = (values[0]![t]! + 1) % 11;
        return model.logits(tf.tensor2d(values, undefined, 'int32'), { condition });
      });
      expect(distance(tf.slice(changed, 0, [1, t + 1, 11]), tf.slice(logits, 0, [1, t + 1, 11]))).toBe(0);
      expect(
        distance(tf.slice(changed, [0, t + 1, 0], [1, 1, 11]), tf.slice(logits, [0, t + 1, 0], [1, 1, 11])),
      ).toBeGreaterThan(1e-4);
    }
    model.dispose();
  });
});

describe('conditions', () => {
  test('labels matter, and no label is the null label', () => {
    const model = build({ condition: { type: 'class', classes: 5 } });
    const tokens = tf.slice(tokensOf(2), 0, [2, 11]);
    const [zero, one, none] = [0, 1, 5].map((label) =>
      model.logits(tokens, { condition: tf.fill([2], label, 'int32') }),
    );
    expect(distance(zero!, one!)).toBeGreaterThan(1e-3);
    expect(distance(none!, model.logits(tokens))).toBe(0);
  });

  test('label dropout of 1 is the null label; of 0 the label', () => {
    const rates = { token: 0, residual: 0 };
    const tokens = tokensOf(2);
    const condition = tf.tensor1d([1, 2], 'int32');
    for (const [dropout, same] of [
      [1, undefined],
      [0, condition],
    ] as const) {
      const model = build({ dropout: rates, condition: { type: 'class', classes: 5, dropout } });
      const train = random.withKey(random.key(1), () => model.loss(tokens, { condition, training: true }));
      expect(train.loss.dataSync()[0]).toBeCloseTo(model.loss(tokens, { condition: same }).loss.dataSync()[0]!, 5);
    }
  });

  test('feature dropout of 1 is the null features', () => {
    const rates = { token: 0, residual: 0 };
    const model = build({ dropout: rates, condition: { type: 'features', dim: 6, length: 3, dropout: 1 } });
    const tokens = tokensOf(2);
    const condition = random.normal(random.key(4), [2, 3, 6]);
    const train = random.withKey(random.key(1), () => model.loss(tokens, { condition, training: true }));
    expect(train.loss.dataSync()[0]).toBeCloseTo(model.loss(tokens).loss.dataSync()[0]!, 5);
    expect(model.loss(tokens, { condition }).loss.dataSync()[0]).not.toBeCloseTo(train.loss.dataSync()[0]!, 4);
  });

  test('the order of a prefix matters', () => {
    for (const profile of ['llama', 'fairseq'] as const) {
      const model = build({ profile, condition: { type: 'prefix', vocabulary: 7, length: 3 } });
      const tokens = tf.slice(tokensOf(1), 0, [1, 11]);
      const [a, b] = [
        [1, 2, 3],
        [3, 1, 2],
      ].map((row) => model.logits(tokens, { condition: tf.tensor2d([row], [1, 3], 'int32') }));
      expect(distance(a!, b!)).toBeGreaterThan(1e-3);
    }
  });

  test('the reference rope hides the label from the attention logits but not from the values', () => {
    const config = { condition: { type: 'class', classes: 5 } } as const;
    const tokens = tf.slice(tokensOf(1), 0, [1, 11]);
    const condition = tf.tensor1d([2], 'int32');
    const [ours, reference] = [false, true].map((flag) =>
      build({ ...config, referenceZeroRope: flag }).logits(tokens, { condition }),
    );
    expect(distance(ours!, reference!)).toBeGreaterThan(1e-3);
  });
});

describe('bad input', () => {
  const model = (): ImageGPT => build();
  const classModel = (): ImageGPT => build({ condition: { type: 'class', classes: 5 } });

  test('tokens of another grid', () => {
    expect(() => model().loss(tf.zeros([2, 4, 4], 'int32'))).toThrow(
      /ImageGPT.loss: tokens must be \[batch, 12\] or \[batch, 3, 4\], got \[2, 4, 4\]; was the tokenizer/,
    );
    expect(() => model().nll(tf.zeros([2, 16], 'int32'))).toThrow(/ImageGPT.nll.*got \[2, 16\]/);
    expect(() => model().loss(tf.zeros([2, 4, 3], 'int32'))).toThrow(/got \[2, 4, 3\]/);
    expect(() => model().logits(tf.zeros([2, 12], 'int32'))).toThrow(/1 ≤ n < 12, got \[2, 12\]/);
  });

  test('tokens that are not int32', () => {
    expect(() => model().loss(tf.zeros([2, 12]))).toThrow(/tokens must be int32, got float32/);
  });

  test('token ids out of range', () => {
    expect(() => model().loss(tf.fill([1, 12], 11, 'int32'))).toThrow(/token 11 at position 0 is outside \[0, 11\)/);
    expect(() => model().nll(tf.fill([1, 12], -1, 'int32'))).toThrow(/token -1 at position 0 is outside \[0, 11\)/);
  });

  test('conditions that the model does not take', () => {
    const tokens = tf.zeros([2, 12], 'int32');
    expect(() => model().loss(tokens, { condition: tf.zeros([2], 'int32') })).toThrow(
      /'none' model takes no condition/,
    );
    expect(() => classModel().loss(tokens, { condition: tf.zeros([3], 'int32') })).toThrow(
      /labels of \[2\], got int32 \[3\]/,
    );
    expect(() => build({ condition: { type: 'prefix', vocabulary: 7, length: 3 } }).loss(tokens)).toThrow(
      /takes an int32 condition of \[2, 3\], got none/,
    );
  });

  test.each<[Partial<ImageGPTConfig>, RegExp]>([
    [{ vocabulary: 0 }, /vocabulary must be an integer of at least 1, got 0/],
    [{ dim: 18 }, /head width divisible by 4, got 18 \/ 2 = 9/],
    [{ dim: 17 }, /dim must be divisible by heads, got 17 and 2/],
    [{ heads: 4, kvHeads: 3 }, /heads must be divisible by kvHeads, got 4 and 3/],
    [{ grid: [4] }, /grid must be \[rows, columns\], got \[4\]/],
    [{ dropout: { token: 1 } }, /dropout token must be in \[0, 1\), got 1/],
    [{ profile: 'gpt5' as 'llama' }, /profile must be one of llama, mingpt, fairseq, got 'gpt5'/],
    [{ condition: { type: 'class', classes: 0 } }, /condition.classes must be an integer of at least 1/],
    [{ condition: { type: 'text' } as never }, /condition.type must be .* got 'text'/],
  ])('configuration %o', (config, message) => {
    expect(() => new ImageGPT({ ...small, ...config })).toThrow(message);
  });
});
