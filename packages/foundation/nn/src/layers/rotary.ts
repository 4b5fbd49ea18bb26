/**
 * Rotary position embedding (Su et al. 2021, arXiv 2104.09864): adjacent pairs of channels turn by an angle that grows
 * with the position, (a, b) -> (a cos θ − b sin θ, a sin θ + b cos θ), so that q·k depends on the distance alone.
 *
 * The tables are the caller's: 1-D, 2-D (half the channels for rows, half for columns) or none for some positions
 * (cos 1, sin 0).
 */
import { tf } from '@tesserae/tensor';
import { checkWhole, shapeText } from '../check.ts';

/** Angles of some positions, as cosines and sines. */
export interface RotaryTable {
  /** `[T, headDim / 2]`, or anything that broadcasts to `[B, H, T, headDim / 2]`. */
  readonly cos: tf.Tensor;
  /** As `cos`. */
  readonly sin: tf.Tensor;
}

/** Options of {@link rotaryTable}. */
export interface RotaryTableConfig {
  /** Positions 0 … length − 1. */
  readonly length: number;
  /** Channels of a head, even. */
  readonly headDim: number;
  /** θ(t, j) = t · base^(−2j / headDim). Default 10000. */
  readonly base?: number;
}

/** Tables of a 1-D sequence, computed in float64: two float32 tensors `[length, headDim / 2]`, which the caller owns. */
export function rotaryTable(config: RotaryTableConfig): RotaryTable {
  const { length, headDim, base = 10000 } = config;
  checkWhole('rotaryTable', 'length', length);
  checkWhole('rotaryTable', 'headDim', headDim, 2);
  if (headDim % 2 !== 0) throw new RangeError(`rotaryTable: 'headDim' must be even, got ${headDim}.`);
  const half = headDim / 2;
  const angles = Array.from({ length: length * half }, (_, i) => {
    const position = Math.floor(i / half);
    return position * base ** ((-2 * (i % half)) / headDim);
  });
  const table = (fn: (angle: number) => number): tf.Tensor2D =>
    tf.tensor2d(Float32Array.from(angles, fn), [length, half]);
  return { cos: table(Math.cos), sin: table(Math.sin) };
}

/**
 * Turns queries or keys.
 *
 * @param x - `[B, H, T, headDim]`.
 * @returns The same shape.
 * @throws RangeError where a table does not fit.
 */
export function applyRotary(x: tf.Tensor4D, table: RotaryTable): tf.Tensor4D {
  const [batch, heads, length, dim] = x.shape;
  const half = dim / 2;
  for (const [name, t] of Object.entries(table) as [string, tf.Tensor][]) {
    if (t.shape[t.rank - 1] !== half || t.rank < 2 || ![1, length].includes(t.shape[t.rank - 2] as number)) {
      throw new RangeError(
        `applyRotary: '${name}' must have shape [${length}, ${half}] for x ${shapeText(x.shape)}, got ${shapeText(t.shape)}. Slice the table to the positions of x.`,
      );
    }
  }
  const count = batch * heads * length;
  return tf.tidy(() => {
    // Pairs are split and joined by transposes of rank 3: on engines that compute at once, rank 5 is ten times slower.
    const flat = tf.transpose(tf.reshape(x, [count, half, 2]), [2, 0, 1]); // [2, BHT, half]
    const [a, b] = tf.unstack(flat, 0).map((part) => tf.reshape(part, [batch, heads, length, half])) as [
      tf.Tensor4D,
      tf.Tensor4D,
    ];
    const { cos, sin } = table;
    const turned = [tf.sub(tf.mul(a, cos), tf.mul(b, sin)), tf.add(tf.mul(b, cos), tf.mul(a, sin))];
    const stacked = tf.stack(
      turned.map((part) => tf.reshape(part, [count, half])),
      0,
    ); // [2, BHT, half]
    return tf.reshape(tf.transpose(stacked, [1, 2, 0]), x.shape);
  });
}
