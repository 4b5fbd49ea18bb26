/**
 * What the forward and the backward pass of attention share: folding of grouped heads, the size of tiles, and the scores
 * of one tile.
 *
 * Query heads that read the same key head are neighbours, so [B, H, T, D] is [M, R, T, D] with M = B G and R = H / G,
 * without moving anything, and a tile of R t rows meets its keys in one product.
 */
import { applyScalar, broadcastTo } from '../graph/broadcast.ts';
import {
  add,
  binary,
  compare,
  constant,
  dotGeneral,
  dynamicSlice,
  iota,
  minimum,
  multiply,
  reshape,
  select,
} from '../graph/hlo.ts';
import { index } from '../graph/loop.ts';
import type { Node } from '../graph/node.ts';
import { productOperands } from './kernel.ts';
import { evenTile, lengthen } from './tiles.ts';

/** Sizes of one call. */
export interface AttentionSizes {
  readonly batch: number;
  /** Key and value heads, G. */
  readonly groups: number;
  /** Query heads of a key head, R. */
  readonly ratio: number;
  readonly queries: number;
  readonly keys: number;
  readonly dim: number;
  readonly valueDim: number;
  readonly causal: boolean;
  readonly scale: number;
  /** Shape of the mask with four dimensions, each 1 or full. */
  readonly mask: readonly number[] | undefined;
}

/** A tile: `heads` of the M key heads, `queries` rows of each of their R query heads, `keys` columns. */
export interface Tiling {
  readonly heads: number;
  readonly queries: number;
  readonly keys: number;
}

/** Below this many scores a head, or in all, everything is one tile: copies of slices would cost more than the cache saves. */
const smallHead = 64 * 128;
const smallTotal = 2 ** 21;
/** And above this many scores in all it is never: 256 MB, of which a backward pass holds four. */
const wholeLimit = 2 ** 26;
/** Scores of a tile on a device that fills itself with large products. */
const deviceTile = 2 ** 25;

const largestDivisor = (of: number, most: number): number => {
  for (let n = Math.min(of, Math.max(1, Math.floor(most))); n > 1; n--) if (of % n === 0) return n;
  return 1;
};

/**
 * Forward and backward on 2 cores, causal, in ms (least of several): 8 x 8 heads of 256 x 64 as one tile 59, in tiles of 128
 * rows and 8 heads 48, of 64 rows 54; 1 x 8 of 2048 x 64 as one tile 357, in tiles of 256 rows and 4 heads 162, of 512 and 2
 * heads 166, of 128 and 8 heads 194; 64 x 6 of 64 x 32 as one tile 17, in six 25.
 */
export function tilingOf(sizes: AttentionSizes, platform: string): Tiling {
  const { batch, groups, ratio, queries, keys, mask } = sizes;
  const all = { heads: batch * groups, queries, keys };
  const total = all.heads * ratio * queries * keys;
  const onCpu = platform === 'cpu';
  if (total <= wholeLimit && (!onCpu || queries * keys <= smallHead || total <= smallTotal)) return all;
  // Causal tiles on the diagonal are half wasted: short sequences get small ones.
  const cpuTile = Math.max(queries, keys) < 1024 ? 128 : 256;
  const about = onCpu ? cpuTile : 1024;
  const tile = { queries: evenTile(queries, about), keys: evenTile(keys, about) };
  const limit = (onCpu ? 1024 * cpuTile : deviceTile) / (ratio * tile.queries * tile.keys);
  // With a mask a tile stays within one example, so that its part of the mask is one slice.
  return { ...tile, heads: largestDivisor(mask === undefined ? all.heads : groups, limit) };
}

/** Scores of a head, and of all heads (8 MB), up to which the CPU is quicker with them in memory. */
const [composedHead, composedTotal] = [2 ** 20, 2 ** 21];

/**
 * Whether attention of `[query, key, …]` is quicker in its composed form on the CPU: with the weights kept for the
 * backward pass, there are fewer and larger operations. See docs/log.md.
 */
export function prefersScores(shapes: readonly (readonly number[])[]): boolean {
  const [batch, heads, queries] = shapes[0] as [number, number, number];
  const scores = queries * (shapes[1]?.[2] as number);
  return scores < composedHead && batch * heads * scores <= composedTotal;
}

/** Batched product of [n, a, b] and [n, c, d] over the named dimensions, under the current precision. */
export function product(a: Node, b: Node, contractA: 1 | 2, contractB: 1 | 2): Node {
  const dims = { lhsBatch: [0], rhsBatch: [0], lhsContract: [contractA], rhsContract: [contractB] };
  const operands = productOperands(a, b);
  return dotGeneral(operands.a, operands.b, dims, operands.precision, 'f32');
}

/** Lengthens the dimensions of a mask that are not broadcast. */
export function padMask(mask: Node | undefined, rows: number, columns: number): Node | undefined {
  if (mask === undefined) return undefined;
  const tall = (mask.shape[2] as number) > 1 ? lengthen(mask, 2, rows) : mask;
  return (mask.shape[3] as number) > 1 ? lengthen(tall, 3, columns) : tall;
}

/** The same [n, rows] repeated along a new last dimension. */
export const alongRows = (x: Node, columns: number): Node =>
  broadcastTo(reshape(x, [...x.shape, 1]), [...x.shape, columns]);

/** Where a tile begins: key head, query row, key column; i32 scalars. */
export interface TileStart {
  readonly head: Node;
  readonly query: Node;
  readonly key: Node;
}

/** The mask's part for a tile, [n, R t, w]. */
function maskTile(mask: Node, sizes: AttentionSizes, tiling: Tiling, at: TileStart): Node {
  const { groups, ratio } = sizes;
  const { heads: n, queries: t, keys: w } = tiling;
  const [b, h, q, k] = mask.shape as [number, number, number, number];
  const perHead = h > 1;
  const start = [
    b > 1 ? binary('divide', at.head, index(groups)) : index(0),
    perHead ? multiply(binary('remainder', at.head, index(groups)), index(ratio)) : index(0),
    q > 1 ? at.query : index(0),
    k > 1 ? at.key : index(0),
  ];
  // A whole batch as one tile has no loop: its examples lie one after the other.
  const examples = n > groups ? b : 1;
  const size = [examples, perHead ? Math.min(n, groups) * ratio : 1, q > 1 ? t : 1, k > 1 ? w : 1];
  const part = dynamicSlice(mask, start, size);
  const outer = n > groups ? n / groups : 1;
  const inner = n / outer;
  const spread = broadcastTo(
    reshape(part, [examples, perHead ? inner : 1, perHead ? ratio : 1, size[2] as number, size[3] as number]),
    [outer, inner, ratio, t, w],
  );
  return reshape(spread, [n, ratio * t, w]);
}

/**
 * Scores of a tile: scaled queries [n, R t, D] with keys [n, w, D] -> [n, R t, w], -Infinity where no query may look
 * (behind the causal border, or beyond the last key).
 */
export function scoresOf(
  queries: Node,
  keys: Node,
  mask: Node | undefined,
  sizes: AttentionSizes,
  tiling: Tiling,
  at: TileStart,
): Node {
  const { ratio, causal } = sizes;
  const { heads: n, queries: t, keys: w } = tiling;
  let scores = product(queries, keys, 2, 2);
  if (mask !== undefined) scores = add(scores, maskTile(mask, sizes, tiling, at));
  const reaches = sizes.keys % w !== 0;
  if (!causal && !reaches) return scores;
  const shape = scores.shape;
  const spread = (x: Node): Node => broadcastTo(reshape(x, [1, 1, 1]), shape);
  const column = add(iota('i32', shape, 2), spread(at.key));
  let last = spread(index(sizes.keys - 1));
  if (causal) {
    const row = reshape(iota('i32', [n, ratio, t, w], 2), shape);
    const border = add(row, spread(add(at.query, index(sizes.keys - sizes.queries))));
    last = reaches ? minimum(border, last) : border;
  }
  return select(compare('LE', column, last), scores, constant(-Infinity, 'f32', shape));
}

/** Scales queries and folds heads: [B, H, T, D] -> [M, R, T, D]. */
export function foldQueries(query: Node, sizes: AttentionSizes): Node {
  return foldHeads(applyScalar('multiply', query, sizes.scale), sizes);
}

/** [B, H, ...] -> [M, R, ...]. */
export function foldHeads(x: Node, { batch, groups, ratio }: AttentionSizes): Node {
  return reshape(x, [batch * groups, ratio, ...x.shape.slice(2)]);
}

/** [B, G, ...] -> [M, ...]. */
export function foldKeys(x: Node, { batch, groups }: AttentionSizes): Node {
  return reshape(x, [batch * groups, ...x.shape.slice(2)]);
}

/** The part of x [M, R, T, ...] for a tile, [n, R t, ...]. */
export function queryTile(x: Node, tiling: Tiling, at: Pick<TileStart, 'head' | 'query'>): Node {
  const [, ratio, , ...rest] = x.shape as [number, number, number, ...number[]];
  const zeros = rest.map(() => index(0));
  const part = dynamicSlice(x, [at.head, index(0), at.query, ...zeros], [tiling.heads, ratio, tiling.queries, ...rest]);
  return reshape(part, [tiling.heads, ratio * tiling.queries, ...rest]);
}

/** The part of x [M, S, d] for a tile, [n, w, d]. */
export function keyTile(x: Node, tiling: Tiling, at: Pick<TileStart, 'head' | 'key'>): Node {
  return dynamicSlice(x, [at.head, at.key, index(0)], [tiling.heads, tiling.keys, x.shape[2] as number]);
}
