import { tf, useEngine } from '@tesserae/tensor';
import { beforeAll, expect, test } from 'vitest';
import { filterLogits } from './filter-logits.ts';

beforeAll(async () => {
  await useEngine('cpu');
});

/** Which entries survive. */
function kept(logits: number[], options: Parameters<typeof filterLogits>[1]): boolean[] {
  const before = tf.memory().numTensors;
  const input = tf.tensor1d(logits);
  const output = filterLogits(input, options);
  const values = [...output.dataSync()];
  tf.dispose([input, output]);
  expect(tf.memory().numTensors).toBe(before);
  values.forEach((value, i) => value !== -Infinity && expect(value).toBeCloseTo(logits[i] as number, 6));
  return values.map((value) => value !== -Infinity);
}

// In an order that is not sorted, so that the mask must find its way back.
const logits = [0.15, 0.5, 0.05, 0.3].map(Math.log);

test.each([
  [0, [false, true, false, false]],
  [0.4, [false, true, false, false]],
  [0.79, [false, true, false, true]],
  [0.81, [true, true, false, true]],
  [1, [true, true, true, true]],
])('top-p %d keeps up to the first entry whose cumulative probability exceeds it', (topP, expected) => {
  expect(kept(logits, { topP })).toEqual(expected);
});

test('top-k keeps ties with the k-th largest', () => {
  expect(kept([1, 1, 0], { topK: 1 })).toEqual([true, true, false]);
  expect(kept([0, 3, 1, 2], { topK: 2 })).toEqual([false, true, false, true]);
});

test('top-k of 0 or more than the vocabulary keeps everything', () => {
  expect(kept([0, 3, 1], { topK: 0 })).toEqual([true, true, true]);
  expect(kept([0, 3, 1], { topK: 100 })).toEqual([true, true, true]);
});

test('top-p works without top-k, and after it on the renormalised rest', () => {
  // Of (.5, .3) top-p sees (.625, .375): 0.6 keeps one of them, while of all four it would keep two.
  expect(kept(logits, { topK: 2, topP: 0.6 })).toEqual([false, true, false, false]);
  expect(kept(logits, { topP: 0.6 })).toEqual([false, true, false, true]);
});

test('rows are filtered one by one, whatever the rank', () => {
  const output = filterLogits(tf.tensor3d([[[0, 1, 2]], [[5, 4, 3]]]), { topK: 1 });
  expect(output.shape).toEqual([2, 1, 3]);
  expect([...output.dataSync()]).toEqual([-Infinity, -Infinity, 2, 5, -Infinity, -Infinity]);
});

test('bad options are refused', () => {
  expect(() => filterLogits(tf.zeros([3]), { topK: -1 })).toThrow(/topK must be an integer of at least 0.*got -1/);
  expect(() => filterLogits(tf.zeros([3]), { topK: 1.5 })).toThrow(/got 1.5/);
  expect(() => filterLogits(tf.zeros([3]), { topP: 300 })).toThrow(/topP must be in \[0, 1\].*got 300/);
});
