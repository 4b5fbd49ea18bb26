/** Philox against Random123, the layout, the distributions, and keys: the same numbers on every engine. */
import { beforeAll, describe, expect, test } from 'vitest';
import { random, tf, useEngine } from '../index.ts';
import { expectClose, expectNoLeak, randomCases } from '../testing/index.ts';

const hex = (words: ArrayLike<number>): string[] => Array.from(words, (w) => (w >>> 0).toString(16).padStart(8, '0'));

test.each([
  [
    [0, 0, 0, 0],
    [0, 0],
    ['6627e8d5', 'e169c58d', 'bc57ac4c', '9b00dbd8'],
  ],
  [
    [-1, -1, -1, -1],
    [-1, -1],
    ['408f276d', '41c83b0e', 'a20bc7c6', '6d5451fd'],
  ],
  [
    [0x243f6a88, 0x85a308d3, 0x13198a2e, 0x03707344],
    [0xa4093822, 0x299f31d0],
    ['d16cfe09', '94fdcceb', '5001e420', '24126ea1'],
  ],
] as const)('Philox4x32-10 gives the known answers of Random123 for counter %j', (counter, key, expected) => {
  const out = new Int32Array(4);
  const [c0, c1, c2, c3] = counter;
  random.philoxBlock(c0, c1, c2, c3, key[0], key[1], out, 0);
  expect(hex(out)).toEqual(expected);
});

describe.each(['cpu', 'wasm'])('%s', (engine) => {
  beforeAll(() => useEngine(engine));
  const run = (name: string, fn: () => void): void =>
    test(name, () => {
      tf.tidy(() => void fn());
    });

  run('bits: element i is word i mod 4 of block floor(i / 4)', () => {
    const key = tf.tensor1d([0, 0], 'int32');
    const bits = random.bits(key, [2, 3]);
    expect(bits.dtype).toBe('int32');
    const blocks = new Int32Array(8);
    random.philoxBlock(0, 0, 0, 0, 0, 0, blocks, 0);
    random.philoxBlock(1, 0, 0, 0, 0, 0, blocks, 4);
    expect([...bits.dataSync()]).toEqual([...blocks.slice(0, 6)]);
    expect(hex(bits.dataSync()).slice(0, 4)).toEqual(['6627e8d5', 'e169c58d', 'bc57ac4c', '9b00dbd8']);
    expect([...random.uniform(key, [6]).dataSync()]).toEqual([...blocks.slice(0, 6)].map((w) => (w >>> 8) / 2 ** 24));
  });

  run('key, foldIn and split', () => {
    expect([...random.key(2 ** 32 + 5).dataSync()]).toEqual([5, 1]);
    expect([...random.key(-1).dataSync()]).toEqual([-1, -1]);
    const key = random.key(7);
    const block = new Int32Array(4);
    random.philoxBlock(9, 0, 0, random.foldStream, 7, 0, block, 0);
    expect([...random.foldIn(key, 9).dataSync()]).toEqual([...block.slice(0, 2)]);
    expect([...random.foldIn(key, tf.scalar(9, 'int32')).dataSync()]).toEqual([...block.slice(0, 2)]);
    random.philoxBlock(2, 0, 0, random.splitStream, 7, 0, block, 0);
    expect([...(random.split(key, 3)[2] as tf.Tensor).dataSync()]).toEqual([...block.slice(0, 2)]);
    expectNoLeak(() => random.split(key, 3), 3);
    expectNoLeak(() => random.foldIn(key, 1), 1);
  });

  test.each(randomCases.map(({ name, run: check }) => [name, check] as const))('recorded: %s', (_, check) => {
    expectNoLeak(check);
  });

  run('uniform and normal: moments, range, odd sizes', () => {
    const key = random.key(1);
    const u = random.uniform(key, [100, 100], { min: -1, max: 3 });
    expect(u.shape).toEqual([100, 100]);
    expectClose(tf.mean(u), 1, { atol: 0.04 });
    expect(tf.min(u).dataSync()[0]).toBeGreaterThanOrEqual(-1);
    expect(tf.max(u).dataSync()[0]).toBeLessThan(3);
    const z = random.normal(key, [9999], { mean: 2, std: 3 });
    const { mean, variance } = tf.moments(z);
    expectClose(mean, 2, { atol: 0.1 });
    expectClose(variance, 9, { rtol: 0.05 });
    // Kurtosis of a normal: 3.
    expectClose(tf.mean(tf.pow(tf.div(tf.sub(z, 2), 3), 4)), 3, { rtol: 0.1 });
    expect(random.normal(key, []).shape).toEqual([]);
    expect(random.normal(key, [0, 2]).shape).toEqual([0, 2]);
    expect(random.normal(key, [1000]).dataSync().every(Number.isFinite)).toBe(true);
    expectNoLeak(() => random.normal(key, [3, 5]), 1);
  });

  run('bernoulli, categorical, permutation, randint', () => {
    const key = random.key(3);
    const coin = random.bernoulli(key, 0.25, [10_000]);
    expect(coin.dtype).toBe('bool');
    expectClose(tf.mean(tf.cast(coin, 'float32')), 0.25, { atol: 0.015 });
    expect(tf.sum(tf.cast(random.bernoulli(key, 1, [1000]), 'int32')).dataSync()[0]).toBe(1000);
    expect(tf.sum(tf.cast(random.bernoulli(key, 0, [1000]), 'int32')).dataSync()[0]).toBe(0);

    const logits = tf.log(tf.tensor1d([0.5, 0, 0.2, 0.3]));
    const draws = random.categorical(key, tf.broadcastTo(logits, [10_000, 4]));
    expect(draws.dtype).toBe('int32');
    const shares = tf.mean(tf.cast(tf.oneHot(tf.cast(draws, 'int32') as tf.Tensor1D, 4), 'float32'), 0);
    expectClose(shares, [0.5, 0, 0.2, 0.3], { atol: 0.02 });

    const order = [...random.permutation(key, 1000).dataSync()];
    expect(order).not.toEqual(Array.from({ length: 1000 }, (_, i) => i));
    expect(order.toSorted((a, b) => a - b)).toEqual(Array.from({ length: 1000 }, (_, i) => i));

    const dice = [...random.randint(key, [6000], { min: 1, max: 7 }).dataSync()];
    for (let face = 1; face <= 6; face++)
      expect(Math.abs(dice.filter((d) => d === face).length - 1000)).toBeLessThan(120);
    expect(new Set(dice).size).toBe(6);
    expect(Math.max(...random.randint(key, [5000], { max: 2 ** 24 }).dataSync())).toBeLessThan(2 ** 24);
    for (const fn of [
      (): tf.Tensor => random.bernoulli(key, 0.5, [3]),
      (): tf.Tensor => random.categorical(key, tf.zerosLike(logits)),
      (): tf.Tensor => random.permutation(key, 5),
      (): tf.Tensor => random.randint(key, [3], { max: 4 }),
    ]) {
      fn().dispose();
      const before = tf.memory().numTensors;
      tf.tidy(() => void fn());
      expect(tf.memory().numTensors).toBe(before);
    }
  });

  run('ambient keys: fold-ins 0, 1, 2 of the innermost scope', () => {
    const key = random.key(11);
    const inner = random.key(12);
    const read = (k: tf.Tensor): number[] => [...k.dataSync()];
    random.withKey(key, () => {
      expect(read(random.next())).toEqual(read(random.foldIn(key, 0)));
      random.withKey(inner, () => expect(read(random.next())).toEqual(read(random.foldIn(inner, 0))));
      expect(read(random.next())).toEqual(read(random.foldIn(key, 1)));
    });
    expect(random.hasKey()).toBe(false);
    expect(() => random.next()).toThrow('random.withKey(random.key(seed)');
    expect(() => random.withKey(key, () => Promise.resolve(1))).toThrow('returned a promise');
    expect(() =>
      random.withKey(key, () => {
        throw new Error('inside');
      }),
    ).toThrow('inside');
    expect(random.hasKey()).toBe(false);
  });

  run('bad arguments', () => {
    const key = random.key(0);
    expect(() => random.key(0.5)).toThrow("random.key: 'seed'");
    expect(() => random.uniform(tf.tensor1d([1, 2]), [2])).toThrow('int32 [2], but got float32 [2]');
    expect(() => random.uniform(7 as unknown as random.Key, [2])).toThrow('but got number');
    expect(() => random.normal(key, [-1])).toThrow("random.normal: 'shape'");
    expect(() => random.uniform(key, [2], { min: 2, max: 1 })).toThrow('min 2, max 1');
    expect(() => random.bernoulli(key, 2, [1])).toThrow("'p' must lie in [0, 1]");
    expect(() => random.randint(key, [1], { max: 0 })).toThrow('2^24');
    expect(() => random.permutation(key, -1)).toThrow("'n'");
    expect(() => random.split(key, 0)).toThrow("'n'");
    expect(() => random.foldIn(key, tf.scalar(1))).toThrow("tf.cast(data, 'int32')");
  });
});

test('an engine without the kernels says so', async () => {
  await useEngine('cpu');
  const key = random.key(0);
  const kernel = tf.getKernel('PhiloxUniform', 'cpu');
  tf.unregisterKernel('PhiloxUniform', 'cpu');
  expect(() => random.uniform(key, [1])).toThrow("engine 'cpu' has no kernel 'PhiloxUniform'");
  tf.registerKernel(kernel);
  random.uniform(key, [1]).dispose();
  key.dispose();
});
