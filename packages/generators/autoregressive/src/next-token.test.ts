import { random, tf, useEngine } from '@tesserae/tensor';
import { beforeAll, expect, test } from 'vitest';
import { nextToken } from './next-token.ts';

let rows: tf.Tensor2D;

beforeAll(async () => {
  await useEngine('cpu');
  rows = tf.tensor2d([
    [0, 1, 3, 2],
    [5, 1, 1, 2],
  ]);
});

function draw(options: Parameters<typeof nextToken>[1], seed = 1, logits = rows): number[] {
  return tf.tidy(() => [...nextToken(logits, options, random.key(seed)).dataSync()]);
}

test('temperature 0, temperature towards 0 and top-k 1 take the best', () => {
  for (let seed = 0; seed < 20; seed++) {
    expect(draw({ temperature: 0 }, seed)).toEqual([2, 0]);
    expect(draw({ temperature: 1e-4 }, seed)).toEqual([2, 0]);
    expect(draw({ topK: 1 }, seed)).toEqual([2, 0]);
    expect(draw({ topP: 0 }, seed)).toEqual([2, 0]);
  }
});

test('frequencies are the softmax of logits / temperature', () => {
  const count = 4000;
  const many = tf.tidy(() => tf.tile(tf.tensor2d([[Math.log(0.6), Math.log(0.3), Math.log(0.1)]]), [count, 1]));
  const share = (temperature: number): number[] => {
    const drawn = draw({ temperature }, 3, many);
    return [0, 1, 2].map((token) => drawn.filter((other) => other === token).length / count);
  };
  // Three standard errors of a share are below 0.024.
  share(1).forEach((value, i) => expect(value).toBeCloseTo([0.6, 0.3, 0.1][i] as number, 1.3));
  const squared = [0.36, 0.09, 0.01].map((p) => p / 0.46);
  share(0.5).forEach((value, i) => expect(Math.abs(value - (squared[i] as number))).toBeLessThan(0.025));
});

test('what is filtered out is never drawn', () => {
  const many = tf.tidy(() => tf.tile(tf.tensor2d([[1, 2, 1.5, 0]]), [500, 1]));
  expect(new Set(draw({ topK: 2 }, 4, many))).toEqual(new Set([1, 2]));
});

test('a key gives the same tokens again, and leaves no tensors', () => {
  const many = tf.zeros([50, 16]) as tf.Tensor2D;
  const before = tf.memory().numTensors;
  expect(draw({ topP: 0.9 }, 5, many)).toEqual(draw({ topP: 0.9 }, 5, many));
  expect(draw({}, 5, many)).not.toEqual(draw({}, 6, many));
  expect(tf.memory().numTensors).toBe(before);
});

test('a negative temperature is refused', () => {
  expect(() => draw({ temperature: -1 })).toThrow(/temperature must be at least 0, got -1/);
});
