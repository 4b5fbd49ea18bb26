import { expect, test } from 'vitest';
import { splitBy } from './split.ts';

const items = Array.from({ length: 100 }, (_, i) => ({ id: i, group: `g${Math.floor(i / 4)}` }));
const groupOf = (item: (typeof items)[number]): string => item.group;

test('no group is on both sides, nothing is lost, the order stays', () => {
  const { train, heldOut } = splitBy(items, groupOf, 0.1, 0);
  const groups = new Set(train.map(groupOf));
  expect(heldOut.some((item) => groups.has(item.group))).toBe(false);
  expect([...train, ...heldOut].map((item) => item.id).sort((a, b) => a - b)).toEqual(items.map((item) => item.id));
  expect(heldOut).toHaveLength(12); // the first multiple of 4 of at least 10
  expect(train.map((item) => item.id)).toEqual(train.map((item) => item.id).sort((a, b) => a - b));
});

test('depends on the seed, not on the order of the items', () => {
  const ids = (list: readonly { id: number }[]): number[] => list.map((item) => item.id).sort((a, b) => a - b);
  const held = ids(splitBy(items, groupOf, 0.2, 5).heldOut);
  expect(ids(splitBy([...items].reverse(), groupOf, 0.2, 5).heldOut)).toEqual(held);
  expect(ids(splitBy(items, groupOf, 0.2, 6).heldOut)).not.toEqual(held);
});

test('leaves a group for training even when one group is nearly everything', () => {
  const { train, heldOut } = splitBy(['a', 'a', 'a', 'b'], (x) => x, 0.99, 0);
  expect(train.length).toBeGreaterThan(0);
  expect(heldOut.length).toBeGreaterThan(0);
});

test('refuses a fraction that is none and a single group', () => {
  expect(() => splitBy(items, groupOf, 1, 0)).toThrow('fraction must be between 0 and 1 (both excluded), got 1');
  expect(() => splitBy([1, 2], () => 'all', 0.5, 0)).toThrow('2 items form 1 group(s)');
});
