import { tf, useEngine } from '@tesserae/tensor';
import { beforeAll, expect, test } from 'vitest';
import { cfgCombine } from './cfg-combine.ts';

beforeAll(async () => {
  await useEngine('cpu');
});

test.each([
  [2, [3, -1, 1]],
  [1, [2, 0, 1]],
  [0, [1, 1, 1]],
])('scale %d', (scale, expected) => {
  const before = tf.memory().numTensors;
  const [conditional, unconditional] = [tf.tensor1d([2, 0, 1]), tf.tensor1d([1, 1, 1])];
  const combined = cfgCombine(conditional, unconditional, scale);
  expect([...combined.dataSync()]).toEqual(expected);
  tf.dispose([conditional, unconditional, combined]);
  expect(tf.memory().numTensors).toBe(before);
});

test('different shapes are refused with both in the message', () => {
  expect(() => cfgCombine(tf.zeros([2, 3]), tf.zeros([2, 4]), 2)).toThrow(/\[2, 3\] and \[2, 4\]/);
});
