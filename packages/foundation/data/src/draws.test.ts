import { expect, test } from 'vitest';
import { Draws } from './draws.ts';

const take = (draws: Draws, n = 4): number[] => Array.from({ length: n }, () => draws.uint32());

test('is a function of its words', () => {
  expect(take(new Draws(1, 2, 3))).toEqual(take(new Draws(1, 2, 3)));
  const streams = [[0], [1], [0, 0], [0, 1], [1, 0], [2 ** 32], [2 ** 32 + 1]].map((w) => take(new Draws(...w)).join());
  expect(new Set(streams).size).toBe(streams.length);
});

test('the numbers stay what they are: order and augmentation of saved runs depend on them', () => {
  expect(take(new Draws(0), 3)).toEqual([2509576652, 3870714120, 3752361161]);
  expect([...new Draws(7, 1).permutation(8)]).toEqual([5, 1, 0, 7, 6, 4, 3, 2]);
});

test('uniform fills [0, 1) evenly', () => {
  const draws = new Draws(5);
  const bins = new Array<number>(10).fill(0);
  for (let i = 0; i < 20_000; i++) (bins[Math.floor(draws.uniform() * 10)] as number)++;
  // 2,000 expected in each, standard deviation 42.
  for (const count of bins) expect(Math.abs(count - 2000)).toBeLessThan(210);
});

test('below is even and in range', () => {
  const draws = new Draws(9);
  const counts = [0, 0, 0];
  for (let i = 0; i < 9000; i++) (counts[draws.below(3)] as number)++;
  for (const count of counts) expect(Math.abs(count - 3000)).toBeLessThan(225);
  expect(draws.below(1)).toBe(0);
});

test('a permutation holds each number once, and all orders come up', () => {
  expect([...new Draws(3).permutation(100)].sort((a, b) => a - b)).toEqual(Array.from({ length: 100 }, (_, i) => i));
  const orders = new Set(Array.from({ length: 100 }, (_, seed) => new Draws(seed).permutation(3).join()));
  expect(orders.size).toBe(6);
});

test('the first number over consecutive seeds looks random', () => {
  const mean =
    Array.from({ length: 2000 }, (_, seed) => new Draws(seed, 0, 5).uniform()).reduce((a, b) => a + b) / 2000;
  expect(Math.abs(mean - 0.5)).toBeLessThan(0.03);
});
