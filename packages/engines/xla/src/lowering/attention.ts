/**
 * Attention without the score matrix in memory (Dao et al., "FlashAttention", arXiv:2205.14135; the softmax over key
 * tiles is that of Milakov and Gimelshein, arXiv:1805.02867).
 *
 * A loop over tiles of queries holds one over tiles of keys, which carries the running maximum, the sum of exponentials
 * and the unnormalised output. Causal tiles behind the border are not visited. What differs from the paper: several heads
 * go through one tile, so that their products run side by side, and short sequences are one tile without a loop.
 *
 * Kernels (tensors float32): FlashAttention { query [B, H, T, D], key [B, G, S, D], value [B, G, S, Dv], mask? } with
 * { causal, scale } -> [out [B, H, T, Dv], logSumExp [B, H, T]]; FlashAttentionGrad in attention-gradient.ts.
 */
import { broadcastTo, reduceKeeping } from '../graph/broadcast.ts';
import {
  add,
  binary,
  compare,
  constant,
  divide,
  dynamicUpdateSlice,
  maximum,
  minimum,
  multiply,
  reshape,
  slice,
  subtract,
  unary,
} from '../graph/hlo.ts';
import { index, whileLoop } from '../graph/loop.ts';
import type { Node } from '../graph/node.ts';
import { attentionGradientOf, attentionOf } from '../triton/for-call.ts';
import { attentionGradient } from './attention-gradient.ts';
import { foldKeys, foldQueries, keyTile, padMask, product, queryTile, scoresOf, tilingOf } from './attention-tiles.ts';
import type { AttentionSizes, Tiling, TileStart } from './attention-tiles.ts';
import type { KernelCall, Lowerings } from './kernel.ts';
import { lengthen, lowest } from './tiles.ts';

/** Running state of the softmax over key tiles: maximum and sum [n, R t, 1], output [n, R t, Dv]. */
type Running = [maximum: Node, sum: Node, output: Node];

function start(rows: readonly number[], valueDim: number): Running {
  const [n, r] = rows as [number, number];
  const one = [n, r, 1];
  return [constant(lowest, 'f32', one), constant(0, 'f32', one), constant(0, 'f32', [n, r, valueDim])];
}

/** Takes in one tile of scores [n, R t, w] and its values [n, w, Dv]. */
function accumulate([largest, sum, output]: Running, scores: Node, values: Node): Running {
  const next = maximum(largest, reduceKeeping('maximum', scores, -Infinity, [2]));
  const weights = unary('exponential', subtract(scores, broadcastTo(next, scores.shape)));
  const shrink = unary('exponential', subtract(largest, next));
  return [
    next,
    add(multiply(sum, shrink), reduceKeeping('add', weights, 0, [2])),
    add(multiply(output, broadcastTo(shrink, output.shape)), product(weights, values, 2, 1)),
  ];
}

const finish = ([largest, sum, output]: Running): [output: Node, logSumExp: Node] => [
  divide(output, broadcastTo(sum, output.shape)),
  add(largest, unary('log', sum)),
];

/** Everything as one tile. */
function whole(query: Node, key: Node, value: Node, mask: Node | undefined, sizes: AttentionSizes): [Node, Node] {
  const tiling: Tiling = { heads: key.shape[0] as number, queries: sizes.queries, keys: sizes.keys };
  const at = { head: index(0), query: index(0), key: index(0) };
  const scores = scoresOf(queryTile(query, tiling, at), key, mask, sizes, tiling, at);
  const largest = maximum(
    reduceKeeping('maximum', scores, -Infinity, [2]),
    constant(lowest, 'f32', [...scores.shape.slice(0, 2), 1]),
  );
  const weights = unary('exponential', subtract(scores, broadcastTo(largest, scores.shape)));
  return finish([largest, reduceKeeping('add', weights, 0, [2]), product(weights, value, 2, 1)]);
}

/** Number of key tiles that some query of the tile may look at. */
function lastTile(at: Pick<TileStart, 'query'>, tiling: Tiling, sizes: AttentionSizes, tiles: number): Node {
  if (!sizes.causal) return index(tiles);
  const lastKey = add(at.query, index(tiling.queries - 1 + sizes.keys - sizes.queries));
  return minimum(add(binary('divide', lastKey, index(tiling.keys)), index(1)), index(tiles));
}

function tiled(
  query: Node,
  key: Node,
  value: Node,
  mask: Node | undefined,
  sizes: AttentionSizes,
  tiling: Tiling,
): [Node, Node] {
  const { ratio, valueDim } = sizes;
  const { heads: n, queries: t, keys: w } = tiling;
  const allHeads = key.shape[0] as number;
  const [queryTiles, keyTiles] = [Math.ceil(sizes.queries / t), Math.ceil(sizes.keys / w)];
  const [rows, columns] = [queryTiles * t, keyTiles * w];
  const padded = padMask(mask, rows, columns);
  const masks = padded === undefined ? [] : [padded];
  const turns = (allHeads / n) * queryTiles;
  const initial = [
    index(0),
    constant(0, 'f32', [allHeads, ratio, rows, valueDim]),
    constant(0, 'f32', [allHeads, ratio, rows]),
    lengthen(query, 2, rows),
    lengthen(key, 1, columns),
    lengthen(value, 1, columns),
    ...masks,
  ];
  const state = whileLoop(
    initial,
    ([turn]) => compare('LT', turn as Node, index(turns)),
    (current) => {
      const [turn, out, logSumExp, q, k, v, maskPart] = current as [Node, Node, Node, Node, Node, Node, Node?];
      const at = {
        head: multiply(binary('divide', turn, index(queryTiles)), index(n)),
        query: multiply(binary('remainder', turn, index(queryTiles)), index(t)),
      };
      const part = queryTile(q, tiling, at);
      const running = start(part.shape, valueDim);
      const inner = whileLoop(
        [
          index(0),
          lastTile(at, tiling, sizes, keyTiles),
          ...running,
          at.head,
          at.query,
          part,
          k,
          v,
          ...current.slice(6),
        ],
        ([tile, end]) => compare('LT', tile as Node, end as Node),
        (now) => {
          const [tile, end, largest, sum, output, head, first, rowsOfTile, keys, values] = now as [
            ...[Node, Node, Node, Node, Node, Node, Node, Node, Node, Node],
          ];
          const where = { head, query: first, key: multiply(tile, index(w)) };
          const scores = scoresOf(rowsOfTile, keyTile(keys, tiling, where), now[10], sizes, tiling, where);
          const next = accumulate([largest, sum, output], scores, keyTile(values, tiling, where));
          return [add(tile, index(1)), end, ...next, ...now.slice(5)];
        },
      );
      const [result, normaliser] = finish([inner[2], inner[3], inner[4]] as Running);
      const [zero, outShape] = [index(0), [n, ratio, t, valueDim]];
      return [
        add(turn, index(1)),
        dynamicUpdateSlice(out, reshape(result, outShape), [at.head, zero, at.query, zero]),
        dynamicUpdateSlice(logSumExp, reshape(normaliser, outShape.slice(0, 3)), [at.head, zero, at.query]),
        q,
        k,
        v,
        ...(maskPart === undefined ? [] : [maskPart]),
      ];
    },
  );
  return [
    slice(state[1] as Node, [0, 0, 0, 0], [allHeads, ratio, sizes.queries, valueDim]),
    slice(state[2] as Node, [0, 0, 0], [allHeads, ratio, sizes.queries]),
  ];
}

/** Sizes and inputs of a call. */
function read(call: KernelCall): { sizes: AttentionSizes; mask: Node | undefined } {
  const { causal, scale } = call.attrs<{ causal: boolean; scale: number }>();
  const [batch, heads, queries, dim] = call.node('query').shape as [number, number, number, number];
  const [, groups, keys, valueDim] = call.node('value').shape as [number, number, number, number];
  const given = call.has('mask') ? call.node('mask') : undefined;
  const mask = given && reshape(given, [...Array<number>(4 - given.shape.length).fill(1), ...given.shape]);
  const sizes = {
    batch,
    groups,
    ratio: heads / groups,
    queries,
    keys,
    dim,
    valueDim,
    causal,
    scale,
    mask: mask?.shape,
  };
  return { sizes, mask };
}

/** FlashAttention with a given tiling, by default the one that suits the sizes: [out, logSumExp]. */
export function flashAttention(call: KernelCall, given?: Tiling): [Node, Node] {
  const { sizes, mask } = read(call);
  const tiling = given ?? tilingOf(sizes, call.backend.client.platform);
  const query = foldQueries(call.node('query'), sizes);
  const [key, value] = [foldKeys(call.node('key'), sizes), foldKeys(call.node('value'), sizes)];
  const isWhole = tiling.heads === key.shape[0] && tiling.queries === sizes.queries && tiling.keys === sizes.keys;
  const [out, logSumExp] = isWhole
    ? whole(query, key, value, mask, sizes)
    : tiled(query, key, value, mask, sizes, tiling);
  const heads = sizes.groups * sizes.ratio;
  return [
    reshape(out, [sizes.batch, heads, sizes.queries, sizes.valueDim]),
    reshape(logSumExp, [sizes.batch, heads, sizes.queries]),
  ];
}

/** FlashAttentionGrad, likewise: [dQuery, dKey, dValue]. */
export function flashAttentionGradient(call: KernelCall, given?: Tiling): Node[] {
  const { sizes, mask } = read(call);
  return attentionGradient(call, sizes, mask, given ?? tilingOf(sizes, call.backend.client.platform));
}

/** See the file header. */
export const attentions: Lowerings = {
  FlashAttention: (call) => attentionOf(call) ?? flashAttention(call),
  FlashAttentionGrad: (call) => attentionGradientOf(call) ?? flashAttentionGradient(call),
};
