/**
 * What the attention kernels share: sizes, how operands are addressed, and which scores count.
 *
 * Scores are kept in base 2: exp2 is one instruction, and the factor log2(e) goes into the scale.
 */
import type { Precision } from '@tesserae/tensor';
import type { KernelBuilder } from './builder.ts';
import { powerOfTwo } from './custom-call.ts';
import type { DotInput, Element } from './ir.ts';
import type { Value } from './value.ts';

/** Sizes and kind of an attention; all kernels are made for one. */
export interface AttentionShape {
  readonly batch: number;
  /** Query heads; a multiple of `groups`. */
  readonly heads: number;
  /** Key and value heads. */
  readonly groups: number;
  readonly queries: number;
  readonly keys: number;
  /** Width of queries and keys. */
  readonly dim: number;
  /** Width of values. */
  readonly valueDim: number;
  /** Query i sees key j when j <= i + keys - queries. */
  readonly causal: boolean;
  /** What scores are multiplied with before the softmax. */
  readonly scale: number;
  /** Shape of the additive mask, of rank 4 with lengths of 1 where it is repeated. */
  readonly mask?: readonly number[];
}

/** How a kernel cuts its work. */
export interface AttentionTiling {
  /** Queries of a tile. */
  readonly rows: number;
  /** Keys of a tile. */
  readonly columns: number;
  readonly warps: number;
  readonly stages: number;
}

/** The element type of operands and the way to multiply them under a precision. */
export function operandsOf(precision: Precision): { element: Element & ('f32' | 'bf16'); input: DotInput } {
  if (precision === 'bfloat16') return { element: 'bf16', input: 'ieee' };
  return { element: 'f32', input: precision === 'tf32' ? 'tf32' : 'tf32x3' };
}

/** Which of the `blocks` of queries a program computes. The last of a causal attention have the most to do: they start first. */
export function queryBlock(b: KernelBuilder, blocks: number, causal: boolean): Value {
  const program = b.programId('x');
  return causal ? program.mul(-1).add(blocks - 1) : program;
}

/** Widths of tiles: powers of two that dots take. */
export const tileWidth = (dim: number): number => powerOfTwo(dim, 16);

/** A matrix [length, width] in memory, row-major, of which tiles are read. */
export interface Matrix {
  readonly pointer: Value;
  readonly length: number;
  readonly width: number;
}

/** Pointers and mask of the tile at `rows` (i32 [m]) over the whole width. */
function tileAt(
  b: KernelBuilder,
  matrix: Matrix,
  rows: Value,
  bounded: boolean,
): { at: Value; mask: Value | undefined } {
  const lanes = b.range(tileWidth(matrix.width));
  const at = matrix.pointer.offset(rows.expand(1).mul(matrix.width).add(lanes.expand(0)));
  const inRows = bounded ? rows.lt(matrix.length).expand(1) : undefined;
  const inWidth = tileWidth(matrix.width) === matrix.width ? undefined : lanes.lt(matrix.width).expand(0);
  return { at, mask: inRows && inWidth ? inRows.and(inWidth) : (inRows ?? inWidth) };
}

/** Reads rows; `bounded`: some rows may lie beyond the end and are read as 0. */
export function loadRows(b: KernelBuilder, matrix: Matrix, rows: Value, bounded: boolean): Value {
  const { at, mask } = tileAt(b, matrix, rows, bounded);
  return b.load(at, mask);
}

/** Writes rows, in the matrix's element type. */
export function storeRows(b: KernelBuilder, matrix: Matrix, rows: Value, values: Value, bounded: boolean): void {
  const { at, mask } = tileAt(b, matrix, rows, bounded);
  b.store(at, values.to(matrix.pointer.element), mask);
}

/** The additive mask's elements at `rows` and `columns` (broadcast against each other), times log2(e); 0 outside. */
export function maskAt(
  b: KernelBuilder,
  shape: AttentionShape,
  pointer: Value,
  place: {
    readonly batch: Value;
    readonly head: Value;
    readonly rows: Value;
    readonly columns: Value;
    readonly bounded: boolean;
  },
): Value {
  const [batch, heads, queries, keys] = shape.mask as readonly [number, number, number, number];
  let base = pointer;
  if (batch > 1) base = base.offset(place.batch.mul(heads * queries * keys));
  if (heads > 1) base = base.offset(place.head.mul(queries * keys));
  const zero = place.rows.mul(0).add(place.columns.mul(0));
  const offsets = zero.add(queries > 1 ? place.rows.mul(keys) : 0).add(keys > 1 ? place.columns : 0);
  const inside = place.bounded ? place.rows.lt(shape.queries).and(place.columns.lt(shape.keys)) : undefined;
  return b.load(base.offset(offsets), inside).mul(Math.LOG2E);
}

/** Which scores at `rows` and `columns` count: inside both lengths, and not in the future. */
export function visible(shape: AttentionShape, rows: Value, columns: Value): Value {
  const inKeys = columns.lt(shape.keys);
  return shape.causal ? columns.le(rows.add(shape.keys - shape.queries)).and(inKeys) : inKeys;
}
