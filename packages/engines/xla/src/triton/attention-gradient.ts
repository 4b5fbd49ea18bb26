/**
 * The backward pass of attention: one kernel for queries, one for keys and values. Both compute the weights again from the
 * saved logSumExp, so that again no matrix of scores reaches memory; neither needs atomics, so equal runs give equal bits.
 *
 * Source: T. Dao, "FlashAttention-2", arXiv:2307.08691, section 3.1 (with `delta`, the row sums of out * dOut). Differs: the
 * scores are computed twice instead of adding to dQuery atomically, and the heads of a group are summed inside a program.
 */
import type { Precision } from '@tesserae/tensor';
import { loadRows, maskAt, operandsOf, storeRows, tileWidth, visible, queryBlock } from './attention-common.ts';
import type { AttentionShape, AttentionTiling } from './attention-common.ts';
import { KernelBuilder } from './builder.ts';
import { blocksOf } from './custom-call.ts';
import type { Kernel } from './ir.ts';
import type { Value } from './value.ts';

/** Base-2 logarithms that weights are relative to; 0 for a query that saw no key. */
function baseOf(b: KernelBuilder, logSumExp: Value, mask: Value | undefined): Value {
  const logarithm = b.load(logSumExp, mask).mul(Math.LOG2E);
  return logarithm.eq(-Infinity).select(0, logarithm);
}

/** Parameters: query, key, value, mask if there is one, dOut, logSumExp, delta; then dQuery. */
export function attentionQueryGradientKernel(
  shape: AttentionShape,
  tiling: AttentionTiling,
  precision: Precision,
): Kernel<Value> {
  const { heads, groups, queries, keys, dim, valueDim, causal } = shape;
  const { rows: height, columns: width } = tiling;
  const { element, input } = operandsOf(precision);
  const b = new KernelBuilder('attention_query_gradient');
  const [query, key, value] = [b.pointer(element), b.pointer(element), b.pointer(element)];
  const mask = shape.mask && b.pointer('f32');
  const [dOut, logSumExp, delta] = [b.pointer(element), b.pointer('f32'), b.pointer('f32')];
  const dQuery = b.pointer(element);

  const blocks = blocksOf(queries, height);
  const block = queryBlock(b, blocks, causal);
  const plane = b.programId('y');
  const [batch, head] = [plane.div(heads), plane.rem(heads)];
  const group = batch.mul(groups).add(head.div(heads / groups));
  const first = block.mul(height);
  const rows = first.add(b.range(height));
  const uneven = queries % height !== 0;
  const inside = uneven ? rows.lt(queries) : undefined;
  const rowsOf = (pointer: Value, columns: number): Value =>
    loadRows(
      b,
      { pointer: pointer.offset(plane.mul(queries * columns)), length: queries, width: columns },
      rows,
      uneven,
    );
  const [q, d] = [rowsOf(query, dim), rowsOf(dOut, valueDim)];
  const base = baseOf(b, logSumExp.offset(plane.mul(queries)).offset(rows), inside).expand(1);
  const offset = b.load(delta.offset(plane.mul(queries)).offset(rows), inside).expand(1);
  const keyMatrix = { pointer: key.offset(group.mul(keys * dim)), length: keys, width: dim };
  const valueMatrix = { pointer: value.offset(group.mul(keys * valueDim)), length: keys, width: valueDim };
  const columns = b.range(width);

  const walk = (from: Value | number, to: Value | number, edge: boolean, state: readonly Value[]): Value[] =>
    b.for(from, to, width, state, (start, [sum]) => {
      const at = start.add(columns);
      const k = loadRows(b, keyMatrix, at, edge);
      const v = loadRows(b, valueMatrix, at, edge);
      const zero = b.full(0, 'f32', [height, width]);
      let scores = b.dot(q, k.transpose(), zero, input).mul(shape.scale * Math.LOG2E);
      const [across, along] = [rows.expand(1), at.expand(0)];
      if (mask)
        scores = scores.add(
          maskAt(b, shape, mask, { batch, head, rows: across, columns: along, bounded: edge || uneven }),
        );
      if (edge) scores = visible(shape, across, along).select(scores, -Infinity);
      const weights = scores.sub(base).exp2();
      const dWeights = b.dot(d, v.transpose(), zero, input);
      const dScores = weights.mul(dWeights.sub(offset));
      return [b.dot(dScores.to(element), k, sum as Value, input)];
    });

  let state: readonly Value[] = [b.full(0, 'f32', [height, tileWidth(dim)])];
  const wholeTiles = Math.floor(keys / width) * width;
  if (causal) {
    const whole = first
      .add(keys - queries + 1)
      .max(0)
      .min(wholeTiles)
      .div(width)
      .mul(width);
    state = walk(0, whole, false, state);
    state = walk(whole, first.add(height + keys - queries).min(keys), true, state);
  } else {
    if (wholeTiles > 0) state = walk(0, wholeTiles, false, state);
    if (wholeTiles < keys) state = walk(wholeTiles, keys, true, state);
  }
  const result = (state[0] as Value).mul(shape.scale);
  storeRows(b, { pointer: dQuery.offset(plane.mul(queries * dim)), length: queries, width: dim }, rows, result, uneven);
  return b.build();
}

/** Parameters: query, key, value, mask if there is one, dOut, logSumExp, delta; then dKey, dValue. */
export function attentionKeyGradientKernel(
  shape: AttentionShape,
  tiling: AttentionTiling,
  precision: Precision,
): Kernel<Value> {
  const { heads, groups, queries, keys, dim, valueDim, causal } = shape;
  const { rows: height, columns: width } = tiling;
  const { element, input } = operandsOf(precision);
  const b = new KernelBuilder('attention_key_gradient');
  const [query, key, value] = [b.pointer(element), b.pointer(element), b.pointer(element)];
  const mask = shape.mask && b.pointer('f32');
  const [dOut, logSumExp, delta] = [b.pointer(element), b.pointer('f32'), b.pointer('f32')];
  const [dKey, dValue] = [b.pointer(element), b.pointer(element)];

  const first = b.programId('x').mul(width);
  const plane = b.programId('y'); // batch * groups + group
  const batch = plane.div(groups);
  const at = first.add(b.range(width));
  const uneven = keys % width !== 0;
  const keyMatrix = (pointer: Value, columns: number): Parameters<typeof loadRows>[1] => ({
    pointer: pointer.offset(plane.mul(keys * columns)),
    length: keys,
    width: columns,
  });
  const k = loadRows(b, keyMatrix(key, dim), at, uneven); // [BN, D]
  const v = loadRows(b, keyMatrix(value, valueDim), at, uneven);
  const lines = b.range(height);
  const unevenQueries = queries % height !== 0;

  const walk = (
    head: Value,
    from: Value | number,
    to: Value | number,
    diagonal: boolean,
    state: readonly Value[],
  ): Value[] => {
    const queryPlane = batch.mul(heads).add(head);
    const queryMatrix = (pointer: Value, columns: number): Parameters<typeof loadRows>[1] => ({
      pointer: pointer.offset(queryPlane.mul(queries * columns)),
      length: queries,
      width: columns,
    });
    const [queryRows, dRows] = [queryMatrix(query, dim), queryMatrix(dOut, valueDim)];
    const logarithms = logSumExp.offset(queryPlane.mul(queries));
    const deltas = delta.offset(queryPlane.mul(queries));
    return b.for(from, to, height, state, (start, [sumKey, sumValue]) => {
      const rows = start.add(lines);
      const inside = unevenQueries ? rows.lt(queries) : undefined;
      const q = loadRows(b, queryRows, rows, unevenQueries); // [BM, D]
      const zero = b.full(0, 'f32', [width, height]);
      let scores = b.dot(k, q.transpose(), zero, input).mul(shape.scale * Math.LOG2E); // [BN, BM]
      const [along, across] = [at.expand(1), rows.expand(0)];
      if (mask)
        scores = scores.add(
          maskAt(b, shape, mask, { batch, head, rows: across, columns: along, bounded: uneven || unevenQueries }),
        );
      if (diagonal) scores = visible(shape, across, along).select(scores, -Infinity);
      // Queries beyond the end are read as 0, and so are their dOut and delta: they add nothing.
      const weights = scores.sub(baseOf(b, logarithms.offset(rows), inside).expand(0)).exp2();
      const d = loadRows(b, dRows, rows, unevenQueries); // [BM, Dv]
      const nextValue = b.dot(weights.to(element), d, sumValue as Value, input);
      const dWeights = b.dot(v, d.transpose(), zero, input); // [BN, BM]
      const dScores = weights.mul(dWeights.sub(b.load(deltas.offset(rows), inside).expand(0)));
      return [b.dot(dScores.to(element), q, sumKey as Value, input), nextValue];
    });
  };

  const perHead = (head: Value, state: readonly Value[]): readonly Value[] => {
    if (!causal) return walk(head, 0, queries, false, state);
    // Queries before the tile's first key see none of it; from its last key on they see all.
    const from = first
      .sub(keys - queries)
      .max(0)
      .div(height)
      .mul(height);
    const all = first
      .add(width - 1 - (keys - queries))
      .max(0)
      .add(height - 1)
      .div(height)
      .mul(height);
    const middle = all.min(queries);
    return walk(head, all, queries, false, walk(head, from, middle, true, state));
  };
  const zeros = [b.full(0, 'f32', [width, tileWidth(dim)]), b.full(0, 'f32', [width, tileWidth(valueDim)])];
  const each = heads / groups;
  const firstHead = plane.rem(groups).mul(each);
  const [sumKey, sumValue] = (
    each === 1 ? perHead(firstHead, zeros) : b.for(0, each, 1, zeros, (i, state) => perHead(firstHead.add(i), state))
  ) as [Value, Value];
  storeRows(b, keyMatrix(dKey, dim), at, sumKey.mul(shape.scale), uneven);
  storeRows(b, keyMatrix(dValue, valueDim), at, sumValue, uneven);
  return b.build();
}
