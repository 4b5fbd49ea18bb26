import { expect, it } from 'vitest';
import { differenceOf } from './compare.ts';
import { median } from './run-case.ts';

it('measures values against the largest of a call, and takes the worst call', () => {
  expect(differenceOf([[0, 4], [10]], [[1, 4], [10]])).toBe(0.25);
  expect(differenceOf([[0, 0]], [[0, 0]])).toBe(0);
});

it('counts indices that differ', () => {
  expect(differenceOf([[1, 2, 3, 4]], [[1, 2, 7, 4]], 'indices')).toBe(0.25);
});

it('is infinite for NaN, other sizes and other numbers of calls', () => {
  expect(differenceOf([[1]], [[NaN]])).toBe(Infinity);
  expect(differenceOf([[1]], [[1, 2]])).toBe(Infinity);
  expect(differenceOf([[1]], [[1], [1]])).toBe(Infinity);
  expect(differenceOf([[0, 0]], [[0, 1]])).toBe(Infinity);
});

it('takes the middle, or the mean of the two middle ones', () => {
  expect(median([9, 1, 2])).toBe(2);
  expect(median([4, 1, 2, 9])).toBe(3);
});
