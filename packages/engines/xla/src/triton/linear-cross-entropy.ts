/**
 * Kernels of the cross entropy of a linear layer, whose logits never exist as a whole.
 *
 * Forward: a program keeps BM rows of features and walks over its share of the vocabulary in tiles of BN; each tile of
 * logits is used for the running maximum and sum at once. Shares are put together by a few elementwise operations.
 * Backward: tiles of logits again, turned into dLogits in the same kernel and written for one chunk of the vocabulary at a
 * time; the two products with them are XLA's (linear-cross-entropy-calls.ts).
 *
 * Source: E. Wijmans et al., "Cut Your Losses in Large-Vocabulary Language Models", arXiv:2411.09009, sections 4.2 and 4.3.
 * Differs: no atomics (shares of the vocabulary and chunks instead), gradients are not filtered, float32 by pairs of halves.
 */
import type { Precision } from '@tesserae/tensor';
import { KernelBuilder } from './builder.ts';
import type { Element, Kernel } from './ir.ts';
import type { Value } from './value.ts';

/** How a kernel cuts its work. */
export interface ProductTiling {
  /** Rows of features of a tile. */
  readonly rows: number;
  /** Words of a tile. */
  readonly columns: number;
  /** Elements of the inner dimension that are multiplied at once. */
  readonly inner: number;
  readonly warps: number;
  readonly stages: number;
}

/** Sizes of the kernels; `width` is a multiple of the tiling's `inner`. */
export interface LinearShape {
  readonly rows: number;
  readonly width: number;
  readonly vocabulary: number;
  readonly bias: boolean;
}

/** One matrix of rows: values, or a pair of halves and a unit for each row. */
interface Factor {
  readonly parts: readonly Value[];
  readonly unit: Value | undefined;
}

function factorOf(b: KernelBuilder, precision: Precision): Factor {
  const element: Element = precision === 'float32' ? 'f16' : precision === 'tf32' ? 'f32' : 'bf16';
  const pair = precision === 'float32';
  const parts = pair ? [b.pointer(element), b.pointer(element)] : [b.pointer(element)];
  return { parts, unit: pair ? b.pointer('f32') : undefined };
}

/** The logits in base 2 of rows `lines` [BM] and words `words` [BN]: [BM, BN]; words beyond the end give what is there. */
function logitsTile(
  b: KernelBuilder,
  shape: LinearShape,
  tiling: ProductTiling,
  factors: readonly [features: Factor, weight: Factor],
  place: {
    readonly lines: Value;
    readonly words: Value;
    readonly inLines: Value | undefined;
    readonly inWords: Value | undefined;
  },
  bias: Value | undefined,
): Value {
  const { width } = shape;
  const { lines, words, inLines, inWords } = place;
  const [left, right] = factors;
  const lanes = b.range(tiling.inner);
  const leftAt = lines.expand(1).mul(width).add(lanes.expand(0)); // [BM, BK]
  const rightAt = words.expand(0).mul(width).add(lanes.expand(1)); // [BK, BN]
  const zero = b.full(0, 'f32', [tiling.rows, tiling.columns]);
  const [products] = b.for(0, width, tiling.inner, [zero], (start, [sum]) => {
    const as = left.parts.map((part) => b.load(part.offset(start).offset(leftAt), inLines?.expand(1)));
    const bs = right.parts.map((part) => b.load(part.offset(start).offset(rightAt), inWords?.expand(0)));
    const order = as.length > 1 ? [[1, 0] as const, [0, 1] as const, [0, 0] as const] : [[0, 0] as const];
    return [order.reduce((total, [i, j]) => b.dot(as[i] as Value, bs[j] as Value, total, 'tf32'), sum as Value)];
  });
  let logits = products as Value;
  if (left.unit && right.unit)
    logits = logits
      .mul(b.load(left.unit.offset(lines), inLines).expand(1))
      .mul(b.load(right.unit.offset(words), inWords).expand(0));
  if (bias) logits = logits.add(b.load(bias.offset(words), inWords).expand(0));
  return logits.mul(Math.LOG2E);
}

/**
 * Parameters: features and weight (rows of words; pairs under 'float32'), bias if there is one, labels i32 [N]; then for
 * each share of the vocabulary and row the maximum and sum in base 2 and the label's logit in base 2, f32 [shares, N].
 */
export function linearCrossEntropyKernel(
  shape: LinearShape,
  tiling: ProductTiling,
  share: number,
  precision: Precision,
): Kernel<Value> {
  const { rows, vocabulary } = shape;
  const b = new KernelBuilder('linear_cross_entropy');
  const factors = [factorOf(b, precision), factorOf(b, precision)] as const;
  const bias = shape.bias ? b.pointer('f32') : undefined;
  const labels = b.pointer('i32');
  const [maxima, sums, hits] = [b.pointer('f32'), b.pointer('f32'), b.pointer('f32')];

  const lines = b.programId('x').mul(tiling.rows).add(b.range(tiling.rows));
  const inLines = rows % tiling.rows === 0 ? undefined : lines.lt(rows);
  const label = b.load(labels.offset(lines), inLines, -1).expand(1);
  const part = b.programId('y');
  const first = part.mul(share);
  const lanes = b.range(tiling.columns);
  const uneven = vocabulary % tiling.columns !== 0;
  const column = (value: number): Value => b.full(value, 'f32', [tiling.rows]);

  const state = b.for(
    first,
    first.add(share).min(vocabulary),
    tiling.columns,
    [column(-Infinity), column(0), column(0)],
    (start, [highest, total, hit]) => {
      const words = start.add(lanes);
      const inWords = uneven ? words.lt(vocabulary) : undefined;
      let logits = logitsTile(b, shape, tiling, factors, { lines, words, inLines, inWords }, bias);
      if (inWords) logits = inWords.expand(0).select(logits, -Infinity);
      const next = (highest as Value).max(b.max(logits, 1));
      const base = next.eq(-Infinity).select(0, next);
      const fresh = b.sum(logits.sub(base.expand(1)).exp2(), 1);
      const own = b.sum(words.expand(0).eq(label).select(logits, 0), 1);
      return [next, (total as Value).mul((highest as Value).sub(base).exp2()).add(fresh), (hit as Value).add(own)];
    },
  ) as [Value, Value, Value];
  [maxima, sums, hits].forEach((pointer, i) => {
    b.store(pointer.offset(part.mul(rows)).offset(lines), state[i] as Value, inLines);
  });
  return b.build();
}

/**
 * Parameters: features and the chunk's weight (rows of words; pairs under 'float32'), bias if there is one, labels less the
 * chunk's first word, logSumExp, dLoss [N]; then dLogits [N, V] of the chunk.
 */
export function logitGradientKernel(shape: LinearShape, tiling: ProductTiling, precision: Precision): Kernel<Value> {
  const { rows, vocabulary } = shape;
  const b = new KernelBuilder('logit_gradient');
  const factors = [factorOf(b, precision), factorOf(b, precision)] as const;
  const bias = shape.bias ? b.pointer('f32') : undefined;
  const [labels, logSumExp, dLoss] = [b.pointer('i32'), b.pointer('f32'), b.pointer('f32')];
  const result = b.pointer(precision === 'bfloat16' ? 'bf16' : 'f32');

  const lines = b.programId('x').mul(tiling.rows).add(b.range(tiling.rows));
  const words = b.programId('y').mul(tiling.columns).add(b.range(tiling.columns));
  const inLines = rows % tiling.rows === 0 ? undefined : lines.lt(rows);
  const inWords = vocabulary % tiling.columns === 0 ? undefined : words.lt(vocabulary);
  const logits = logitsTile(b, shape, tiling, factors, { lines, words, inLines, inWords }, bias);
  const base = b.load(logSumExp.offset(lines), inLines).mul(Math.LOG2E).expand(1);
  const label = b.load(labels.offset(lines), inLines, -1).expand(1);
  const factor = b.load(dLoss.offset(lines), inLines).expand(1);
  const weights = logits.sub(base).exp2();
  const gradient = words.expand(0).eq(label).select(weights.sub(1), weights).mul(factor);
  const at = lines.expand(1).mul(vocabulary).add(words.expand(0));
  const inside =
    inLines && inWords ? inLines.expand(1).and(inWords.expand(0)) : (inLines?.expand(1) ?? inWords?.expand(0));
  b.store(result.offset(at), gradient.to(result.element), inside);
  return b.build();
}
