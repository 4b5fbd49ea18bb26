import { runTrace, tf, useEngine } from '@tesserae/tensor';
import { beforeAll, expect, expectTypeOf, test } from 'vitest';
import {
  checkTokenRange,
  checkTokens,
  checkTokenValues,
  describeSpec,
  tokenCount,
  tokensShape,
  validateSpec,
  type ContinuousTokenSpec,
  type DiscreteTokenSpec,
  type TokenSpec,
} from './spec.ts';

const discrete: DiscreteTokenSpec = {
  kind: 'discrete',
  signal: 'image',
  shape: [32, 32, 3],
  grid: [8, 8],
  vocabulary: 512,
};
const continuous: ContinuousTokenSpec = { kind: 'continuous', signal: 'series', shape: [96, 2], grid: [12], dim: 4 };

beforeAll(async () => {
  await useEngine('cpu');
});

test('counts, shapes and words', () => {
  expect(tokenCount(discrete)).toBe(64);
  expect(tokensShape(discrete, 2)).toEqual([2, 8, 8]);
  expect(tokensShape(continuous, 2)).toEqual([2, 12, 4]);
  expect(describeSpec(discrete)).toBe('discrete 8×8 tokens of 512 for image 32×32×3');
  expect(describeSpec(continuous)).toBe('continuous 12 tokens of width 4 for series 96×2');
});

test('the kind tells the specs apart', () => {
  const spec = discrete as TokenSpec;
  if (spec.kind === 'discrete') expectTypeOf(spec.vocabulary).toEqualTypeOf<number>();
  else expectTypeOf(spec.dim).toEqualTypeOf<number>();
});

test('refuses a spec that cannot be', () => {
  validateSpec(discrete);
  validateSpec(continuous);
  expect(() => validateSpec({ ...discrete, vocabulary: 0 })).toThrow('TokenSpec.vocabulary must be a positive integer');
  expect(() => validateSpec({ ...discrete, grid: [8, 7.5] })).toThrow('TokenSpec.grid[1]');
  expect(() => validateSpec({ ...discrete, grid: [] })).toThrow('TokenSpec.grid is empty');
  expect(() => validateSpec({ ...continuous, dim: -1 })).toThrow('TokenSpec.dim');
});

test('checks tokens by dtype, shape and value', () => {
  checkTokens(tf.zeros([5, 8, 8], 'int32'), discrete, 'decode');
  checkTokens(tf.zeros([5, 12, 4]), continuous, 'decode');
  expect(() => checkTokens(tf.zeros([5, 8, 8]), discrete, 'decode')).toThrow('tokens must be int32');
  expect(() => checkTokens(tf.zeros([5, 64], 'int32'), discrete, 'decode')).toThrow(
    'decode: tokens must have shape [batch, 8, 8], got [5, 64]',
  );
  expect(() => checkTokenRange([0, 511, 512], discrete, 'decode')).toThrow(
    'token 512 at position 2 is outside [0, 512)',
  );
  const tokens = tf.fill([1, 8, 8], 512, 'int32');
  expect(() => checkTokenValues(tokens, discrete, 'decode')).toThrow('token 512 at position 0');
  runTrace(() => checkTokenValues(tokens, discrete, 'decode')); // nothing to read yet
  checkTokenValues(tf.fill([1, 12, 4], 9), continuous, 'decode');
  expect(() => checkTokenRange([-1], discrete, 'decode')).toThrow('token -1 at position 0');
  expect(() => checkTokenRange([NaN], discrete, 'decode')).toThrow('token NaN');
});
