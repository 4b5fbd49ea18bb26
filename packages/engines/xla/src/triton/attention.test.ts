/** The attention kernels, interpreted on the host, against attention in double precision. */
import { expectClose } from '@tesserae/tensor/testing';
import { describe, expect, test } from 'vitest';
import { Node } from '../graph/node.ts';
import { attentionKernel } from './attention.ts';
import { attentionFits } from './attention-calls.ts';
import type { AttentionShape } from './attention-common.ts';
import { attentionKeyGradientKernel, attentionQueryGradientKernel } from './attention-gradient.ts';
import { attentionReference } from './testing/attention-reference.ts';
import { interpret } from './testing/interpret.ts';

const size = (shape: readonly number[]): number => shape.reduce((product, length) => product * length, 1);
const numbers = (count: number, seed: number): Float32Array =>
  Float32Array.from({ length: count }, (_, i) => 2 * Math.sin(12.9898 * (i + 1) + 78.233 * seed));

const base = { batch: 1, heads: 1, groups: 1, queries: 32, keys: 32, dim: 16, valueDim: 16, causal: false, scale: 0.3 };
const cases: Readonly<Record<string, AttentionShape>> = {
  'whole tiles': base,
  'causal, odd lengths': { ...base, queries: 37, keys: 37, causal: true },
  'causal, more keys than queries': { ...base, queries: 5, keys: 41, causal: true },
  'grouped heads, odd widths': { ...base, batch: 2, heads: 4, groups: 2, queries: 17, keys: 33, dim: 20, valueDim: 7 },
  'full mask, causal': { ...base, heads: 2, queries: 19, keys: 35, causal: true, mask: [1, 2, 19, 35] },
  'negative scale': { ...base, queries: 19, scale: -0.3, causal: true },
  'mask of keys': { ...base, batch: 2, queries: 33, keys: 18, mask: [2, 1, 1, 18] },
};

describe.each(Object.entries(cases))('attention: %s', (_, shape) => {
  const { batch, heads, groups, queries, keys, dim, valueDim } = shape;
  const tiling = { rows: 16, columns: 16, warps: 4, stages: 1 };
  const inputs = {
    query: numbers(batch * heads * queries * dim, 1),
    key: numbers(batch * groups * keys * dim, 2),
    value: numbers(batch * groups * keys * valueDim, 3),
    dOut: numbers(batch * heads * queries * valueDim, 4),
    mask: shape.mask && numbers(size(shape.mask), 5).map((x, i) => (i % 5 === 2 ? -Infinity : x)),
  };
  const expected = attentionReference(shape, inputs);
  const mask = inputs.mask ? [inputs.mask] : [];
  const operands = [inputs.query, inputs.key, inputs.value, ...mask];
  const close = { rtol: 1e-4, atol: 1e-5 };

  test('forward', () => {
    const out = new Float32Array(expected.out.length);
    const logSumExp = new Float32Array(expected.logSumExp.length);
    const grid = [Math.ceil(queries / 16), batch * heads, 1] as const;
    interpret(attentionKernel(shape, tiling, 'float32'), grid, [...operands, out, logSumExp]);
    expectClose(out, expected.out, close);
    expectClose(logSumExp, expected.logSumExp, close);
  });

  test('gradients', () => {
    const saved = [...operands, inputs.dOut, expected.logSumExp, expected.delta];
    const dQuery = new Float32Array(expected.dQuery.length);
    const grid = [Math.ceil(queries / 16), batch * heads, 1] as const;
    interpret(attentionQueryGradientKernel(shape, tiling, 'float32'), grid, [...saved, dQuery]);
    expectClose(dQuery, expected.dQuery, close);
    const [dKey, dValue] = [new Float32Array(expected.dKey.length), new Float32Array(expected.dValue.length)];
    const keyGrid = [Math.ceil(keys / 16), batch * groups, 1] as const;
    interpret(attentionKeyGradientKernel(shape, tiling, 'float32'), keyGrid, [...saved, dKey, dValue]);
    expectClose(dKey, expected.dKey, close);
    expectClose(dValue, expected.dValue, close);
  });
});

test('a query that sees no key gives 0, and no gradient', () => {
  const shape: AttentionShape = { ...base, queries: 16, keys: 16, mask: [1, 1, 16, 1] };
  const [query, key, value] = [numbers(256, 1), numbers(256, 2), numbers(256, 3)];
  const mask = Float32Array.from({ length: 16 }, (_, i) => (i === 3 ? -Infinity : 0));
  const tiling = { rows: 16, columns: 16, warps: 4, stages: 1 };
  const [out, logSumExp, dQuery] = [new Float32Array(256), new Float32Array(16), new Float32Array(256)];
  interpret(attentionKernel(shape, tiling, 'float32'), [1, 1, 1], [query, key, value, mask, out, logSumExp]);
  expect([...out.subarray(48, 64)].every((x) => x === 0)).toBe(true);
  expect(logSumExp[3]).toBe(-Infinity);
  expect(logSumExp[2]).toBeGreaterThan(0);
  const saved = [query, key, value, mask, numbers(256, 4), logSumExp, new Float32Array(16)];
  interpret(attentionQueryGradientKernel(shape, tiling, 'float32'), [1, 1, 1], [...saved, dQuery]);
  expect(dQuery.every((x) => Number.isFinite(x))).toBe(true);
  expect([...dQuery.subarray(48, 64)].every((x) => x === 0)).toBe(true);
});

test('fits', () => {
  const f32 = (...shape: number[]): Node => new Node('f32', shape);
  const inputs = { query: f32(2, 4, 19, 64), key: f32(2, 2, 19, 64), value: f32(2, 2, 19, 32) };
  const causal = { causal: true, scale: 1 };
  expect(attentionFits('cuda', inputs, causal)).toBe(true);
  expect(attentionFits('cpu', inputs, causal)).toBe(false);
  expect(attentionFits('cuda', { ...inputs, query: f32(2, 4, 20, 64) }, causal)).toBe(false); // more queries than keys
  expect(attentionFits('cuda', { ...inputs, query: f32(2, 4, 20, 64) }, { causal: false, scale: 1 })).toBe(true);
  expect(attentionFits('cuda', { ...inputs, value: f32(2, 2, 19, 256) }, causal)).toBe(false);
  expect(attentionFits('cuda', { ...inputs, query: f32(2, 3, 19, 64) }, causal)).toBe(false);
  expect(attentionFits('cuda', { ...inputs, query: f32(2, 4, 1, 64) }, causal)).toBe(false); // decoding
  expect(attentionFits('cuda', { ...inputs, mask: new Node('i32', [19, 19]) }, causal)).toBe(false);
});
