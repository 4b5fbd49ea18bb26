/** The nearest-code kernel, interpreted on the host with one float16 pair or one product, against a search in double precision. */
import { describe, expect, test } from 'vitest';
import { Node } from '../graph/node.ts';
import { nearestCode, nearestCodeFits, nearestCodeKernel } from './nearest-code.ts';
import { interpret } from './testing/interpret.ts';

/** Splits as half-pairs.ts does, with scale 1: what the device computes is tested there. */
function pair(values: Float32Array): [Float32Array, Float32Array] {
  const high = values.map((x) => Math.round(x * 512) / 512);
  return [high, values.map((x, i) => x - (high[i] as number))];
}

const numbers = (count: number, seed: number): Float32Array =>
  Float32Array.from({ length: count }, (_, i) => Math.fround(Math.sin(12.9898 * (i + 1) + 78.233 * seed)));

function nearest(x: Float32Array, codes: Float32Array, dim: number): number[] {
  return Array.from({ length: x.length / dim }, (_, row) => {
    const distances = Array.from({ length: codes.length / dim }, (__, code) => {
      let sum = 0;
      for (let d = 0; d < dim; d++) sum += ((x[row * dim + d] as number) - (codes[code * dim + d] as number)) ** 2;
      return sum;
    });
    return distances.indexOf(Math.min(...distances));
  });
}

describe('nearest code', () => {
  const [vectors, dim, codes] = [37, 16, 48];
  const tiling = { rows: 16, codes: 16, warps: 4, stages: 1 };
  const x = numbers(vectors * dim, 1);
  const table = numbers(codes * dim, 2);
  const squares = Float32Array.from({ length: codes }, (_, k) =>
    table.subarray(k * dim, (k + 1) * dim).reduce((sum, value) => sum + value * value, 0),
  );
  const scaled = table.map((value) => -2 * value);
  const run = (precision: 'float32' | 'tf32', buffers: Float32Array[], lengths = squares): number[] => {
    const found = new Int32Array(vectors).fill(-1);
    interpret(nearestCodeKernel({ vectors, dim, codes }, tiling, precision), [3, 1, 1], [...buffers, lengths, found]);
    return [...found];
  };

  test('finds what a search in double precision finds', () => {
    const [ones, units] = [new Float32Array(vectors).fill(1), new Float32Array(codes).fill(1)];
    expect(run('float32', [...pair(x), ones, ...pair(scaled), units])).toEqual(nearest(x, table, dim));
    expect(run('tf32', [x, scaled])).toEqual(nearest(x, table, dim));
  });

  test('takes the lowest of equal codes, also across tiles, and 0 where nothing compares', () => {
    const same = new Float32Array(codes * dim);
    expect(run('tf32', [x, same], new Float32Array(codes))).toEqual(Array<number>(vectors).fill(0));
    const late = Float32Array.from({ length: codes }, (_, k) => (k === 21 || k === 20 || k === 40 ? -1 : 0));
    expect(run('tf32', [x, same], late)).toEqual(Array<number>(vectors).fill(20));
    expect(run('tf32', [x.map(() => NaN), scaled])).toEqual(Array<number>(vectors).fill(0));
  });

  test('fits, and makes a call of i32 [N]', () => {
    const f32 = (...shape: number[]): Node => new Node('f32', shape);
    expect(nearestCodeFits('cuda', f32(5, 3), f32(7, 3))).toBe(true);
    expect(nearestCodeFits('cpu', f32(5, 3), f32(7, 3))).toBe(false);
    expect(nearestCodeFits('cuda', f32(5, 257), f32(7, 257))).toBe(false);
    const node = nearestCode(f32(5, 3), f32(7, 3), 'float32');
    expect(node.text).toBe('tensor<5xi32>');
    expect(node.operation?.name).toBe('stablehlo.custom_call');
  });
});
