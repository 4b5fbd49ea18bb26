import { expect, test } from 'vitest';
import { imageGPTSizes } from './config.ts';
import { parameterCount } from './parameter-count.ts';

test.each([
  ['B', 110_888_448],
  ['L', 342_910_976],
])('LlamaGen-%s', (size, expected) => {
  const count = parameterCount({
    vocabulary: 16384,
    grid: [16, 16],
    condition: { type: 'class', classes: 1000 },
    ...imageGPTSizes[size],
  });
  expect(count).toBe(expected);
});

test.each([
  ['XL', 775],
  ['XXL', 1411],
  ['3B', 3096],
])('LlamaGen-%s has about %d million', (size, millions) => {
  const count = parameterCount({
    vocabulary: 16384,
    grid: [24, 24],
    condition: { type: 'class', classes: 1000 },
    ...imageGPTSizes[size],
  });
  expect(Math.abs(count / 1e6 - millions)).toBeLessThan(10);
});
