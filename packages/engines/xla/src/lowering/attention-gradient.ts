/**
 * The backward pass of attention, by tiles (Dao et al., arXiv:2205.14135, appendix B.4): weights are computed again from
 * the scores and the saved log-sum-exp, so nothing of size T S is kept.
 *
 * For each tile of keys a loop over the tiles of queries that see it adds to dKey and dValue, which stay in the loop, and
 * to dQuery, in place. Padding needs no masks: padded queries have dOut = 0, padded keys give rows that are cut off.
 */
import { applyScalar } from '../graph/broadcast.ts';
import {
  add,
  binary,
  compare,
  constant,
  dynamicSlice,
  dynamicUpdateSlice,
  maximum,
  multiply,
  reduce,
  reshape,
  slice,
  subtract,
  transpose,
  unary,
} from '../graph/hlo.ts';
import { index, whileLoop } from '../graph/loop.ts';
import type { Node } from '../graph/node.ts';
import {
  alongRows,
  foldHeads,
  foldKeys,
  foldQueries,
  keyTile,
  padMask,
  product,
  queryTile,
  scoresOf,
} from './attention-tiles.ts';
import type { AttentionSizes, Tiling, TileStart } from './attention-tiles.ts';
import type { KernelCall } from './kernel.ts';
import { lengthen } from './tiles.ts';

/**
 * What belongs to queries. Of a tile: scaled queries [n, R t, D], dOut [n, R t, Dv], both transposed, and [n, R t] of
 * log-sum-exp and of dOut . out.
 */
interface Rows {
  readonly query: Node;
  readonly dOut: Node;
  readonly queryAcross: Node;
  readonly dOutAcross: Node;
  readonly logSumExp: Node;
  readonly inner: Node;
}

/**
 * Gradients of one tile; that of the queries lacks the factor `scale`, those of keys and values are [n, D, w]: XLA's CPU
 * multiplies fast only where the left operand is contracted over its last dimension, and small matrices are cheap to
 * turn.
 */
function gradients(
  rows: Rows,
  key: Node,
  value: Node,
  mask: Node | undefined,
  sizes: AttentionSizes,
  tiling: Tiling,
  at: TileStart,
): { dQuery: Node; dKey: Node; dValue: Node } {
  const scores = scoresOf(rows.query, key, mask, sizes, tiling, at);
  const columns = tiling.keys;
  const weights = unary('exponential', subtract(scores, alongRows(rows.logSumExp, columns)));
  const dWeights = product(rows.dOut, value, 2, 2);
  const dScores = multiply(weights, subtract(dWeights, alongRows(rows.inner, columns)));
  return {
    dQuery: product(dScores, key, 2, 1),
    dKey: product(rows.queryAcross, dScores, 2, 1),
    dValue: product(rows.dOutAcross, weights, 2, 1),
  };
}

/** [M, R, T, D] -> [M, D, R, T]. */
const across = (x: Node): Node => transpose(x, [0, 3, 1, 2]);

/** A tile of everything that belongs to queries, in the order of {@link Rows}. */
function rowsOf(all: readonly Node[], tiling: Tiling, at: TileStart): Rows {
  const [query, dOut, queryAcross, dOutAcross, logSumExp, inner] = all as [Node, Node, Node, Node, Node, Node];
  const turned = (x: Node): Node => {
    const [, dim, ratio] = x.shape as [number, number, number];
    const start = [at.head, index(0), index(0), at.query];
    const part = dynamicSlice(x, start, [tiling.heads, dim, ratio, tiling.queries]);
    return reshape(part, [tiling.heads, dim, ratio * tiling.queries]);
  };
  return {
    query: queryTile(query, tiling, at),
    dOut: queryTile(dOut, tiling, at),
    queryAcross: turned(queryAcross),
    dOutAcross: turned(dOutAcross),
    logSumExp: queryTile(logSumExp, tiling, at),
    inner: queryTile(inner, tiling, at),
  };
}

/** The first query tile that may look at a key tile. */
function firstTile(key: Node, tiling: Tiling, sizes: AttentionSizes): Node {
  if (!sizes.causal) return index(0);
  const row = maximum(subtract(key, index(sizes.keys - sizes.queries)), index(0));
  return binary('divide', row, index(tiling.queries));
}

function tiled(
  all: Rows,
  key: Node,
  value: Node,
  mask: Node | undefined,
  sizes: AttentionSizes,
  tiling: Tiling,
): Node[] {
  const { ratio, dim, valueDim } = sizes;
  const { heads: n, queries: t, keys: w } = tiling;
  const allHeads = key.shape[0] as number;
  const [queryTiles, keyTiles] = [Math.ceil(sizes.queries / t), Math.ceil(sizes.keys / w)];
  const [rows, columns] = [queryTiles * t, keyTiles * w];
  const masks = mask === undefined ? [] : [padMask(mask, rows, columns) as Node];
  const turns = (allHeads / n) * keyTiles;
  const constants = [
    lengthen(all.query, 2, rows),
    lengthen(all.dOut, 2, rows),
    lengthen(all.queryAcross, 3, rows),
    lengthen(all.dOutAcross, 3, rows),
    lengthen(all.logSumExp, 2, rows),
    lengthen(all.inner, 2, rows),
    lengthen(key, 1, columns),
    lengthen(value, 1, columns),
    ...masks,
  ];
  const zeros = (...shape: number[]): Node => constant(0, 'f32', shape);
  const state = whileLoop(
    [
      index(0),
      zeros(allHeads, ratio, rows, dim),
      zeros(allHeads, dim, columns),
      zeros(allHeads, valueDim, columns),
      ...constants,
    ],
    ([turn]) => compare('LT', turn as Node, index(turns)),
    (current) => {
      const [turn, dQuery, dKey, dValue, ...fixed] = current as [Node, Node, Node, Node, ...Node[]];
      const at = {
        head: multiply(binary('divide', turn, index(keyTiles)), index(n)),
        key: multiply(binary('remainder', turn, index(keyTiles)), index(w)),
      };
      const [k, v] = [keyTile(fixed[6] as Node, tiling, at), keyTile(fixed[7] as Node, tiling, at)];
      const inner = whileLoop(
        [
          firstTile(at.key, tiling, sizes),
          dQuery,
          zeros(n, dim, w),
          zeros(n, valueDim, w),
          at.head,
          at.key,
          k,
          v,
          ...fixed.slice(0, 6),
          ...fixed.slice(8),
        ],
        ([tile]) => compare('LT', tile as Node, index(queryTiles)),
        (now) => {
          const [tile, queries, keys, values, head, first, kTile, vTile] = now as [
            ...[Node, Node, Node, Node, Node, Node, Node, Node],
          ];
          const where = { head, query: multiply(tile, index(t)), key: first };
          const part = gradients(
            rowsOf(now.slice(8, 14), tiling, where),
            ...[kTile, vTile, now[14], sizes, tiling, where],
          );
          const corner = [head, index(0), where.query, index(0)];
          const shape = [n, ratio, t, dim];
          const sum = add(dynamicSlice(queries, corner, shape), reshape(part.dQuery, shape));
          return [
            add(tile, index(1)),
            dynamicUpdateSlice(queries, sum, corner),
            add(keys, part.dKey),
            add(values, part.dValue),
            ...now.slice(4),
          ];
        },
      );
      const corner = [at.head, index(0), at.key];
      return [
        add(turn, index(1)),
        inner[1] as Node,
        dynamicUpdateSlice(dKey, inner[2] as Node, corner),
        dynamicUpdateSlice(dValue, inner[3] as Node, corner),
        ...fixed,
      ];
    },
  );
  return [
    slice(state[1] as Node, [0, 0, 0, 0], [allHeads, ratio, sizes.queries, dim]),
    slice(state[2] as Node, [0, 0, 0], [allHeads, dim, sizes.keys]),
    slice(state[3] as Node, [0, 0, 0], [allHeads, valueDim, sizes.keys]),
  ];
}

/** See the file header: [dQuery, dKey, dValue]. */
export function attentionGradient(
  call: KernelCall,
  sizes: AttentionSizes,
  mask: Node | undefined,
  tiling: Tiling,
): Node[] {
  const [key, value] = [foldKeys(call.node('key'), sizes), foldKeys(call.node('value'), sizes)];
  const dOut = foldHeads(call.node('dOut'), sizes);
  const query = foldQueries(call.node('query'), sizes);
  const rows: Rows = {
    query,
    dOut,
    queryAcross: across(query),
    dOutAcross: across(dOut),
    logSumExp: foldHeads(call.node('logSumExp'), sizes),
    inner: reduce('add', multiply(dOut, foldHeads(call.node('out'), sizes)), 0, [3]),
  };
  let parts: Node[];
  if (tiling.heads === key.shape[0] && tiling.queries === sizes.queries && tiling.keys === sizes.keys) {
    const at = { head: index(0), query: index(0), key: index(0) };
    const tile = rowsOf(Object.values(rows) as Node[], tiling, at);
    const { dQuery, dKey, dValue } = gradients(tile, key, value, mask, sizes, tiling, at);
    parts = [dQuery, dKey, dValue];
  } else {
    parts = tiled(rows, key, value, mask, sizes, tiling);
  }
  const [dQuery, dKey, dValue] = parts as [Node, Node, Node];
  const back = (x: Node, name: string): Node => reshape(transpose(x, [0, 2, 1]), call.node(name).shape);
  return [
    applyScalar('multiply', reshape(dQuery, call.node('query').shape), sizes.scale),
    back(dKey, 'key'),
    back(dValue, 'value'),
  ];
}
