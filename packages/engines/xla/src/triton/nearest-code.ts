/**
 * The nearest code of each vector with a running argmin: no distance matrix, not even a tile of it, reaches memory.
 *
 * A program keeps BM vectors and walks over the codebook in tiles of BN codes: one dot, then for each element
 * |c|² - 2 x·c, a comparison with the best so far and the number of the tile it came from. Only at the end the BN columns
 * are searched for the smallest; of equal ones the lowest index wins, because a later tile must be strictly smaller.
 *
 * Under 'float32' products are exact to float32 by pairs of float16 (half-pairs.ts); 'tf32' and 'bfloat16' take one dot.
 */
import type { Precision } from '@tesserae/tensor';
import { constant, convert, multiply, pad, reduce } from '../graph/hlo.ts';
import { applyScalar } from '../graph/broadcast.ts';
import type { Node } from '../graph/node.ts';
import { KernelBuilder } from './builder.ts';
import { blocksOf, powerOfTwo, tritonCall } from './custom-call.ts';
import { halfPair } from './half-pairs.ts';
import type { Element, Kernel } from './ir.ts';
import type { Value } from './value.ts';

/** How a kernel cuts its work: measured, see docs/log.md. */
export interface NearestTiling {
  /** Vectors of one program. */
  readonly rows: number;
  /** Codes of one tile. */
  readonly codes: number;
  readonly warps: number;
  readonly stages: number;
}

/** Sizes of the kernel; `dim` is a power of two and at least 16, `codes` a multiple of the tile's. */
export interface NearestShape {
  readonly vectors: number;
  readonly dim: number;
  readonly codes: number;
}

/**
 * The kernel. Parameters: vectors (pairs: high, low, unit), codes times -2 (pairs: high, low, unit), |c|², result i32.
 */
export function nearestCodeKernel(shape: NearestShape, tiling: NearestTiling, precision: Precision): Kernel<Value> {
  const { vectors, dim, codes } = shape;
  const b = new KernelBuilder('nearest_code');
  const pairs = precision === 'float32';
  const element: Element = pairs ? 'f16' : precision === 'tf32' ? 'f32' : 'bf16';
  const x = [b.pointer(element), ...(pairs ? [b.pointer(element)] : [])];
  const xUnit = pairs ? b.pointer('f32') : undefined;
  const c = [b.pointer(element), ...(pairs ? [b.pointer(element)] : [])];
  const cUnit = pairs ? b.pointer('f32') : undefined;
  const squares = b.pointer('f32');
  const result = b.pointer('i32');

  const rows = b.programId('x').mul(tiling.rows).add(b.range(tiling.rows));
  const inside = vectors % tiling.rows === 0 ? undefined : rows.lt(vectors);
  const lanes = b.range(dim);
  const columns = b.range(tiling.codes);
  const xAt = rows.expand(1).mul(dim).add(lanes.expand(0)); // [BM, D]
  const left = x.map((part) => b.load(part.offset(xAt), inside?.expand(1)));
  const rowUnit = xUnit && b.load(xUnit.offset(rows), inside).expand(1); // [BM, 1]
  const cAt = columns.expand(0).mul(dim).add(lanes.expand(1)); // [D, BN]
  const tile = [tiling.rows, tiling.codes];

  const [best, from] = b.for(
    0,
    codes,
    tiling.codes,
    [b.full(Infinity, 'f32', tile), b.full(0, 'i32', tile)],
    (start, [least, at]) => {
      const right = c.map((part) => b.load(part.offset(start.mul(dim)).offset(cAt)));
      let products = b.full(0, 'f32', tile);
      // The small products first.
      const order = pairs ? [[1, 0] as const, [0, 1] as const, [0, 0] as const] : [[0, 0] as const];
      for (const [i, j] of order) products = b.dot(left[i] as Value, right[j] as Value, products, 'tf32');
      if (rowUnit && cUnit) products = products.mul(rowUnit).mul(b.load(cUnit.offset(start).offset(columns)).expand(0));
      const score = products.add(b.load(squares.offset(start).offset(columns)).expand(0));
      const nearer = score.lt(least as Value);
      return [nearer.select(score, least as Value), nearer.select(start, at as Value)];
    },
  );
  const [, index] = b.argmin(best as Value, (from as Value).add(columns.expand(0)), 1);
  b.store(result.offset(rows), index, inside);
  return b.build();
}

/** Whether the kernel takes the call: CUDA, and vectors that fit into one tile. */
export function nearestCodeFits(platform: string, x: Node, codebook: Node): boolean {
  const [vectors, dim] = x.shape as [number, number];
  const [codes] = codebook.shape as [number, number];
  return (
    platform === 'cuda' &&
    vectors > 0 &&
    codes > 0 &&
    dim >= 1 &&
    dim <= 256 &&
    vectors * 256 < 2 ** 31 &&
    codes * 256 < 2 ** 31
  );
}

/** The tiling for a width. */
function nearestTiling(dim: number): NearestTiling {
  if (dim <= 64) return { rows: 64, codes: 128, warps: 4, stages: 3 };
  return { rows: 64, codes: 64, warps: 4, stages: 2 };
}

/**
 * The nearest code of each row: x [N, D] and codebook [K, D] of f32 -> i32 [N]; the lowest index on ties, 0 where
 * nothing compares. Ask {@link nearestCodeFits} first.
 */
export function nearestCode(x: Node, codebook: Node, precision: Precision, tiling?: NearestTiling): Node {
  const [vectors, width] = x.shape as [number, number];
  const [count] = codebook.shape as [number, number];
  const dim = powerOfTwo(width, 16);
  const chosen = tiling ?? nearestTiling(dim);
  const codes = blocksOf(count, chosen.codes) * chosen.codes;
  const zero = constant(0, 'f32');
  const wide = pad(x, zero, [0, 0], [0, dim - width]);
  const table = applyScalar('multiply', pad(codebook, zero, [0, 0], [codes - count, dim - width]), -2);
  const squares = reduce('add', multiply(codebook, codebook), 0, [1]);
  const lengths = pad(squares, constant(Infinity, 'f32'), [0], [codes - count]);
  const parts = (m: Node): Node[] => {
    if (precision === 'tf32') return [m];
    if (precision === 'bfloat16') return [convert(m, 'bf16')];
    const { high, low, unit } = halfPair(m);
    return [high, low, unit];
  };
  const kernel = nearestCodeKernel({ vectors, dim, codes }, chosen, precision);
  const { warps, stages } = chosen;
  const launch = { kernel, grid: [blocksOf(vectors, chosen.rows), 1, 1] as const, warps, stages };
  return tritonCall(launch, [...parts(wide), ...parts(table), lengths], [{ type: 'i32', shape: [vectors] }])[0] as Node;
}
