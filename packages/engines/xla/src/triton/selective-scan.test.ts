/** The selective scan's kernels, interpreted on the host, against the recurrence in double precision. */
import { expectClose } from '@tesserae/tensor/testing';
import { describe, expect, test } from 'vitest';
import { Node } from '../graph/node.ts';
import { selectiveScan, selectiveScanFits, selectiveScanGradient } from './selective-scan-calls.ts';
import { allGroups, chunkGradientsKernel, groupStartsKernel, scanGradientKernel } from './selective-scan-gradient.ts';
import { chunkEndsKernel, chunksOf, combineChunksKernel, scanOutputKernel } from './selective-scan.ts';
import { interpret } from './testing/interpret.ts';
import { scanReference } from './testing/scan-reference.ts';

const numbers = (count: number, seed: number): Float32Array =>
  Float32Array.from({ length: count }, (_, i) => Math.sin(12.9898 * (i + 1) + 78.233 * seed));
const close = { rtol: 2e-5, atol: 2e-6 };

describe.each([
  ['whole chunks and blocks', { batch: 1, steps: 16, channels: 32, states: 4, chunk: 8 }, false],
  ['odd sizes, skip', { batch: 2, steps: 11, channels: 33, states: 3, chunk: 8 }, true],
])('selective scan: %s', (_, shape, withSkip) => {
  const tiling = { warps: 1, unroll: 4 };
  const { batch, steps, channels, states } = shape;
  const count = chunksOf(shape);
  const blocks = Math.ceil(channels / 32);
  const arrays = {
    x: numbers(batch * steps * channels, 1),
    delta: numbers(batch * steps * channels, 2).map((x) => 0.6 + 0.5 * x),
    a: numbers(channels * states, 3).map((x) => -1 - 0.9 * x),
    b: numbers(batch * steps * states, 4),
    c: numbers(batch * steps * states, 5),
    skip: withSkip ? numbers(channels, 6) : undefined,
    dY: numbers(batch * steps * channels, 7),
  };
  const skip = arrays.skip ? [arrays.skip] : [];
  const expected = scanReference(shape, arrays);
  const { x, delta, a, b, c, dY } = arrays;
  const everywhere = [blocks, count, batch] as const;
  const matrices = (lines: number): Float32Array => new Float32Array(lines * channels * states);

  test('forward', () => {
    const [ends, sums] = [matrices(batch * count), new Float32Array(batch * count * channels)];
    interpret(chunkEndsKernel(shape, tiling), everywhere, [x, delta, a, b, ends, sums]);
    const starts = matrices(batch * count);
    interpret(combineChunksKernel(shape, tiling, false), [blocks, batch, 1], [ends, sums, a, starts]);
    expectClose(starts, Float32Array.from(expected.starts), close);
    const y = new Float32Array(x.length);
    interpret(scanOutputKernel(shape, tiling, withSkip), everywhere, [x, delta, a, b, c, ...skip, starts, y]);
    expectClose(y, Float32Array.from(expected.y), close);
  });

  test('gradients', () => {
    const [parts, sums] = [matrices(batch * count), new Float32Array(batch * count * channels)];
    interpret(chunkGradientsKernel(shape, tiling), everywhere, [delta, a, c, dY, parts, sums]);
    const later = matrices(batch * count);
    interpret(combineChunksKernel(shape, tiling, true), [blocks, batch, 1], [parts, sums, a, later]);
    const groups = matrices(batch * allGroups(shape, tiling));
    const starts = Float32Array.from(expected.starts);
    interpret(groupStartsKernel(shape, tiling), everywhere, [x, delta, a, b, starts, groups]);
    const [dX, dDelta, dA] = [new Float32Array(x.length), new Float32Array(x.length), matrices(batch * count)];
    const [dB, dC] = [new Float32Array(blocks * b.length), new Float32Array(blocks * b.length)];
    const operands = [x, delta, a, b, c, ...skip, dY, groups, later];
    interpret(scanGradientKernel(shape, tiling, withSkip), everywhere, [...operands, dX, dDelta, dA, dB, dC]);
    const folded = (parted: Float32Array, length: number): Float32Array =>
      Float32Array.from({ length }, (__, i) => {
        let sum = 0;
        for (let at = i; at < parted.length; at += length) sum += parted[at] as number;
        return sum;
      });
    expectClose(dX, Float32Array.from(expected.dX), close);
    expectClose(dDelta, Float32Array.from(expected.dDelta), close);
    expectClose(folded(dA, a.length), Float32Array.from(expected.dA), close);
    expectClose(folded(dB, b.length), Float32Array.from(expected.dB), close);
    expectClose(folded(dC, c.length), Float32Array.from(expected.dC), close);
  });
});

test('fits, and the shapes of the calls', () => {
  const f32 = (...shape: number[]): Node => new Node('f32', shape);
  const inputs = {
    x: f32(2, 65, 5),
    delta: f32(2, 65, 5),
    a: f32(5, 3),
    b: f32(2, 65, 3),
    c: f32(2, 65, 3),
    skip: f32(5),
  };
  expect(selectiveScanFits('cuda', inputs, 64)).toBe(true);
  expect(selectiveScanFits('cpu', inputs, 64)).toBe(false);
  expect(selectiveScanFits('cuda', inputs, 63)).toBe(false);
  const [y, starts] = selectiveScan(inputs, 64);
  expect([y.text, starts.text]).toEqual(['tensor<2x65x5xf32>', 'tensor<2x2x5x3xf32>']);
  const gradients = selectiveScanGradient({ ...inputs, starts, dY: f32(2, 65, 5) }, 64);
  expect(gradients.map(({ shape }) => shape)).toEqual([[2, 65, 5], [2, 65, 5], [5, 3], [2, 65, 3], [2, 65, 3], [5]]);
});
