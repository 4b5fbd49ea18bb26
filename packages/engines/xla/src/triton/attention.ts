/**
 * Attention without the matrix of scores in memory: the forward kernel.
 *
 * A program keeps BM queries of one head and walks over the keys in tiles of BN: a dot, a running maximum and sum, a second
 * dot with the values. Tiles that every query sees whole go through a loop without comparisons; those on the diagonal and
 * at the end through a second one. The logarithm of the sum is kept for the backward pass.
 *
 * Source: T. Dao, "FlashAttention-2", arXiv:2307.08691, algorithm 1. Differs: grouped heads and an additive mask; queries
 * that see no key give 0.
 */
import type { Precision } from '@tesserae/tensor';
import { loadRows, maskAt, operandsOf, storeRows, tileWidth, visible, queryBlock } from './attention-common.ts';
import type { AttentionShape, AttentionTiling } from './attention-common.ts';
import { KernelBuilder } from './builder.ts';
import { blocksOf } from './custom-call.ts';
import type { Kernel } from './ir.ts';
import type { Value } from './value.ts';

/** Parameters: query, key, value, mask if there is one (f32), then out, logSumExp (f32, natural logarithm). */
export function attentionKernel(shape: AttentionShape, tiling: AttentionTiling, precision: Precision): Kernel<Value> {
  const { heads, groups, queries, keys, dim, valueDim, causal } = shape;
  const { rows: height, columns: width } = tiling;
  const { element, input } = operandsOf(precision);
  const b = new KernelBuilder('attention');
  const [query, key, value] = [b.pointer(element), b.pointer(element), b.pointer(element)];
  const mask = shape.mask && b.pointer('f32');
  const [out, logSumExp] = [b.pointer(element), b.pointer('f32')];

  const blocks = blocksOf(queries, height);
  const block = queryBlock(b, blocks, causal);
  const plane = b.programId('y'); // batch * heads + head
  const [batch, head] = [plane.div(heads), plane.rem(heads)];
  const group = batch.mul(groups).add(head.div(heads / groups));
  const first = block.mul(height);
  const rows = first.add(b.range(height));
  const uneven = queries % height !== 0;
  const q = loadRows(b, { pointer: query.offset(plane.mul(queries * dim)), length: queries, width: dim }, rows, uneven);
  const keyMatrix = { pointer: key.offset(group.mul(keys * dim)), length: keys, width: dim };
  const valueMatrix = { pointer: value.offset(group.mul(keys * valueDim)), length: keys, width: valueDim };
  const columns = b.range(width);
  const factor = shape.scale * Math.LOG2E;

  const walk = (from: Value | number, to: Value | number, edge: boolean, state: readonly Value[]): Value[] =>
    b.for(from, to, width, state, (start, [sum, maximum, total]) => {
      const at = start.add(columns);
      const k = loadRows(b, keyMatrix, at, edge);
      let scores = b.dot(q, k.transpose(), b.full(0, 'f32', [height, width]), input);
      const [across, along] = [rows.expand(1), at.expand(0)];
      // Without a mask the factor is applied twice: to the maximum, and in one instruction with its subtraction.
      const late = mask === undefined && factor > 0;
      if (!late) scores = scores.mul(factor);
      if (mask) {
        const place = { batch, head, rows: across, columns: along, bounded: edge || uneven };
        scores = scores.add(maskAt(b, shape, mask, place));
      }
      if (edge) scores = visible(shape, across, along).select(scores, -Infinity);
      const top = b.max(scores, 1);
      const highest = (maximum as Value).max(late ? top.mul(factor) : top);
      // A row that has seen nothing yet: -inf - -inf is no number.
      const base = edge || mask ? highest.eq(-Infinity).select(0, highest) : highest;
      const weights = (late ? scores.mul(factor) : scores).sub(base.expand(1)).exp2();
      const fade = (maximum as Value).sub(base).exp2();
      const v = loadRows(b, valueMatrix, at, edge);
      const next = b.dot(weights.to(element), v, (sum as Value).mul(fade.expand(1)), input);
      return [next, highest, (total as Value).mul(fade).add(b.sum(weights, 1))];
    });

  let state: readonly Value[] = [
    b.full(0, 'f32', [height, tileWidth(valueDim)]),
    b.full(-Infinity, 'f32', [height]),
    b.full(0, 'f32', [height]),
  ];
  const wholeTiles = Math.floor(keys / width) * width;
  if (causal) {
    const seen = first.add(keys - queries + 1); // by the tile's first query
    const whole = seen.max(0).min(wholeTiles).div(width).mul(width);
    state = walk(0, whole, false, state);
    state = walk(whole, first.add(height + keys - queries).min(keys), true, state);
  } else {
    if (wholeTiles > 0) state = walk(0, wholeTiles, false, state);
    if (wholeTiles < keys) state = walk(wholeTiles, keys, true, state);
  }
  const [sum, maximum, total] = state as [Value, Value, Value];
  const result = sum.div(total.eq(0).select(1, total).expand(1));
  storeRows(
    b,
    { pointer: out.offset(plane.mul(queries * valueDim)), length: queries, width: valueDim },
    rows,
    result,
    uneven,
  );
  const logarithm = maximum.add(total.log2()).mul(Math.LN2);
  b.store(logSumExp.offset(plane.mul(queries)).offset(rows), logarithm, uneven ? rows.lt(queries) : undefined);
  return b.build();
}
