/**
 * Rotary positions for a grid (LlamaGen, arXiv 2406.06525; RoFormer, arXiv 2104.09864, in two dimensions).
 *
 * Half of a head's pairs turn with the row, half with the column. With f_m = base^(−2m / (D/2)), m = 0 … D/4−1, the
 * token at (r, c) has the angles [r·f_0, …, c·f_0, …], D/2 of them, and the adjacent pair (x_2j, x_2j+1) is turned by
 * angle j (`applyRotary` of @tesserae/nn). A product of a turned query and key then depends only on the difference of their rows and columns.
 */
import type { RotaryTable } from '@tesserae/nn';
import { tf } from '@tesserae/tensor';

/**
 * The angles of every cell of a grid in raster order, computed in double precision.
 *
 * @param headDim - Width of a head, D; divisible by 4.
 * @returns `rows · columns · D/2` numbers, the pairs of one cell next to each other.
 * @throws RangeError when D is not divisible by 4.
 */
export function rope2dAngles(rows: number, columns: number, headDim: number, base: number): Float64Array {
  if (!Number.isSafeInteger(headDim) || headDim < 4 || headDim % 4 !== 0) {
    throw new RangeError(`rope2d: headDim must be a positive multiple of 4, got ${headDim}`);
  }
  const pairs = headDim / 2;
  const perAxis = headDim / 4;
  const angles = new Float64Array(rows * columns * pairs);
  for (let row = 0; row < rows; row++) {
    for (let column = 0; column < columns; column++) {
      const start = (row * columns + column) * pairs;
      for (let m = 0; m < perAxis; m++) {
        const frequency = base ** (-m / perAxis);
        angles[start + m] = row * frequency;
        angles[start + perAxis + m] = column * frequency;
      }
    }
  }
  return angles;
}

/**
 * Rotary table of a grid in raster order.
 *
 * @param headDim - Width of a head, D; divisible by 4.
 * @param base - Base of the geometric series of frequencies. Default 10000.
 * @returns `cos` and `sin`, each `[rows · columns, D/2]`.
 * @throws RangeError when D is not divisible by 4.
 */
export function rope2d(rows: number, columns: number, headDim: number, base = 10_000): RotaryTable {
  const angles = rope2dAngles(rows, columns, headDim, base);
  const shape: [number, number] = [rows * columns, headDim / 2];
  return {
    cos: tf.tensor2d(Float32Array.from(angles, Math.cos), shape),
    sin: tf.tensor2d(Float32Array.from(angles, Math.sin), shape),
  };
}
