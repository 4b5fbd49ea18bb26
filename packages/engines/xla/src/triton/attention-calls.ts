/** Attention's kernels as functions of nodes, with the contract of the kernels `FlashAttention` and `FlashAttentionGrad`. */
import type { Precision } from '@tesserae/tensor';
import { convert, multiply, reduce } from '../graph/hlo.ts';
import type { Node } from '../graph/node.ts';
import { attentionKernel } from './attention.ts';
import { operandsOf, tileWidth } from './attention-common.ts';
import type { AttentionShape, AttentionTiling } from './attention-common.ts';
import { attentionKeyGradientKernel, attentionQueryGradientKernel } from './attention-gradient.ts';
import { blocksOf, tritonCall } from './custom-call.ts';
import type { Kernel } from './ir.ts';
import type { Value } from './value.ts';

/** f32 nodes: query [B, H, T, D], key [B, G, S, D], value [B, G, S, Dv], mask broadcastable to [B, H, T, S]. */
export interface AttentionInputs {
  readonly query: Node;
  readonly key: Node;
  readonly value: Node;
  readonly mask?: Node | undefined;
}

/** See the contract of the ops. */
export interface AttentionAttributes {
  readonly causal: boolean;
  readonly scale: number;
}

/** Tilings of the three kernels. */
export interface AttentionTilings {
  readonly forward: AttentionTiling;
  readonly queries: AttentionTiling;
  readonly keys: AttentionTiling;
}

/** What an H100 took best, and what holds its values in registers without spilling; see docs/log.md. */
function attentionTilings(width: number, precision: Precision): AttentionTilings {
  const wide = width > 64;
  if (precision === 'bfloat16') {
    return {
      forward: tiles(128, 64, 8, 3),
      queries: tiles(64, 64, 4, wide ? 2 : 3),
      keys: tiles(64, 64, 4, wide ? 2 : 3),
    };
  }
  const warps = wide ? 8 : 4;
  return {
    forward: tiles(64, wide ? 32 : 64, 4, 2),
    queries: tiles(64, 32, warps, 2),
    keys: tiles(32, 64, warps, 2),
  };
}

const tiles = (rows: number, columns: number, warps: number, stages: number): AttentionTiling => ({
  rows,
  columns,
  warps,
  stages,
});

function shapeOf({ query, key, value, mask }: AttentionInputs, { causal, scale }: AttentionAttributes): AttentionShape {
  const [batch, heads, queries, dim] = query.shape as [number, number, number, number];
  const [, groups, keys] = key.shape as [number, number, number, number];
  const shape = { batch, heads, groups, queries, keys, dim, valueDim: value.shape[3] as number, causal, scale };
  if (mask === undefined) return shape;
  const rank = Array<number>(4 - mask.shape.length).fill(1);
  return { ...shape, mask: [...rank, ...mask.shape] };
}

/** With fewer queries than half a tile (decoding), plain products are faster. */
const leastQueries = 16;

/** Whether the kernels take the call: CUDA, widths up to 128, no query before the first key, sizes that i32 can count. */
export function attentionFits(platform: string, inputs: AttentionInputs, attributes: AttentionAttributes): boolean {
  const { query, key, value, mask } = inputs;
  const nodes = [query, key, value, ...(mask ? [mask] : [])];
  if (platform !== 'cuda' || nodes.some(({ type, size }) => type !== 'f32' || size === 0 || size >= 2 ** 31))
    return false;
  if ([query, key, value].some(({ shape }) => shape.length !== 4) || (mask && mask.shape.length > 4)) return false;
  const { batch, heads, groups, queries, keys, dim, valueDim } = shapeOf(inputs, attributes);
  return (
    heads % groups === 0 &&
    queries >= leastQueries &&
    dim <= 128 &&
    valueDim <= 128 &&
    batch * heads <= 65_535 &&
    (!attributes.causal || keys >= queries)
  );
}

/** @returns out [B, H, T, Dv] and logSumExp [B, H, T], both f32. Ask {@link attentionFits} first. */
export function attention(
  inputs: AttentionInputs,
  attributes: AttentionAttributes,
  precision: Precision,
  tilings?: AttentionTilings,
): [Node, Node] {
  const { query, key, value, mask } = inputs;
  const shape = shapeOf(inputs, attributes);
  const { element } = operandsOf(precision);
  const { batch, heads, queries, dim, valueDim } = shape;
  const tiling = (tilings ?? attentionTilings(Math.max(tileWidth(dim), tileWidth(valueDim)), precision)).forward;
  const kernel = attentionKernel(shape, tiling, precision);
  const grid = [blocksOf(queries, tiling.rows), batch * heads, 1] as const;
  const operands = [query, key, value].map((node) => convert(node, element));
  const [out, logSumExp] = tritonCall(
    { kernel, grid, warps: tiling.warps, stages: tiling.stages },
    [...operands, ...(mask ? [mask] : [])],
    [
      { type: element, shape: [batch, heads, queries, valueDim] },
      { type: 'f32', shape: [batch, heads, queries] },
    ],
  ) as [Node, Node];
  return [convert(out, 'f32'), logSumExp];
}

/** What the backward pass gets besides the inputs: [B, H, T, Dv], [B, H, T], [B, H, T, Dv]. */
export interface AttentionGradientInputs extends AttentionInputs {
  readonly out: Node;
  readonly logSumExp: Node;
  readonly dOut: Node;
}

/** @returns gradients of query, key and value, f32 and of their shapes. Ask {@link attentionFits} first. */
export function attentionGradient(
  inputs: AttentionGradientInputs,
  attributes: AttentionAttributes,
  precision: Precision,
  tilings?: AttentionTilings,
): [Node, Node, Node] {
  const { query, key, value, mask, out, logSumExp, dOut } = inputs;
  const shape = shapeOf(inputs, attributes);
  const { element } = operandsOf(precision);
  const { batch, heads, groups, queries, keys, dim, valueDim } = shape;
  const chosen = tilings ?? attentionTilings(Math.max(tileWidth(dim), tileWidth(valueDim)), precision);
  const delta = reduce('add', multiply(out, dOut), 0, [3]); // [B, H, T]
  const [q, k, v, d] = [query, key, value, dOut].map((node) => convert(node, element)) as [Node, Node, Node, Node];
  const operands = [q, k, v, ...(mask ? [mask] : []), d, logSumExp, delta];
  const launch = (kernel: Kernel<Value>, tiling: AttentionTiling, blocks: number, planes: number) => ({
    kernel,
    grid: [blocks, planes, 1] as const,
    warps: tiling.warps,
    stages: tiling.stages,
  });
  const [dQuery] = tritonCall(
    launch(
      attentionQueryGradientKernel(shape, chosen.queries, precision),
      chosen.queries,
      blocksOf(queries, chosen.queries.rows),
      batch * heads,
    ),
    operands,
    [{ type: element, shape: [batch, heads, queries, dim] }],
  ) as [Node];
  const [dKey, dValue] = tritonCall(
    launch(
      attentionKeyGradientKernel(shape, chosen.keys, precision),
      chosen.keys,
      blocksOf(keys, chosen.keys.columns),
      batch * groups,
    ),
    operands,
    [
      { type: element, shape: [batch, groups, keys, dim] },
      { type: element, shape: [batch, groups, keys, valueDim] },
    ],
  ) as [Node, Node];
  return [convert(dQuery, 'f32'), convert(dKey, 'f32'), convert(dValue, 'f32')];
}
