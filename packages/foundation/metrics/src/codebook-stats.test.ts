import { tf, useEngine } from '@tesserae/tensor';
import { beforeAll, expect, test } from 'vitest';
import { CodebookStats } from './codebook-stats.ts';

beforeAll(async () => {
  await useEngine('cpu');
});

test('adds up batches, as tensors and as arrays', () => {
  const stats = new CodebookStats(4);
  stats.add(tf.tensor2d([0, 0], [1, 2], 'int32'));
  stats.add([1, 2]);
  expect([...stats.counts]).toEqual([2, 1, 1, 0]);
  expect(stats.total).toBe(4);
  expect(stats.used).toBe(3);
  expect(stats.usage).toBe(0.75);
  expect(stats.perplexity).toBeCloseTo(2.828427, 6);
  expect(stats.entropy).toBeCloseTo(Math.log(2.828427), 6);
});

test('is zero before the first index', () => {
  const stats = new CodebookStats(3);
  expect([stats.total, stats.usage, stats.entropy, stats.perplexity]).toEqual([0, 0, 0, 1]);
});

test('refuses an index out of range and counts nothing of that batch', () => {
  const stats = new CodebookStats(3);
  expect(() => stats.add([0, 3])).toThrow('index 3 at position 1 is not an integer in [0, 3)');
  expect(() => stats.add([0.5])).toThrow('index 0.5 at position 0');
  expect(stats.total).toBe(0);
  expect(() => new CodebookStats(0)).toThrow('codebookSize must be a positive integer, got 0');
});
