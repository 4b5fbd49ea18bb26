/** Elementwise comparison that fails with the numbers one needs: how far, and where. */
import * as tf from '@tensorflow/tfjs-core';

/** A tensor, or (nested arrays of) numbers. */
export type Numbers = tf.Tensor | number | boolean | ArrayLike<number> | readonly Numbers[];

/** See {@link expectClose}. */
export interface CloseOptions {
  /** Relative tolerance; default 1e-5. */
  rtol?: number;
  /** Absolute tolerance; default 1e-6. */
  atol?: number;
}

function read(value: Numbers): { values: ArrayLike<number>; shape: number[] | undefined } {
  if (value instanceof tf.Tensor) return { values: value.dataSync(), shape: value.shape };
  if (typeof value === 'number' || typeof value === 'boolean') return { values: [Number(value)], shape: undefined };
  if (ArrayBuffer.isView(value)) return { values: value as unknown as ArrayLike<number>, shape: undefined };
  return { values: (value as unknown[]).flat(Infinity).map(Number), shape: undefined };
}

/** `[i, j, k]` of element `flat` in a tensor of this shape. */
function position(flat: number, shape: readonly number[]): string {
  const index: number[] = [];
  let rest = flat;
  for (let axis = shape.length - 1; axis >= 0; axis--) {
    const size = shape[axis] as number;
    index.unshift(rest % size);
    rest = Math.floor(rest / size);
  }
  return `[${index.join(', ')}]`;
}

/**
 * Checks |actual - expected| <= atol + rtol |expected| everywhere. NaN equals NaN and infinities equal themselves.
 *
 * Shapes are compared if both sides are tensors, sizes otherwise.
 *
 * @throws Error with the largest absolute and relative error, its position and both values.
 */
export function expectClose(actual: Numbers, expected: Numbers, options: CloseOptions = {}): void {
  const { rtol = 1e-5, atol = 1e-6 } = options;
  const a = read(actual);
  const e = read(expected);
  const sameShape = a.shape === undefined || e.shape === undefined || tf.util.arraysEqual(a.shape, e.shape);
  if (!sameShape || a.values.length !== e.values.length) {
    const describe = ({ values, shape }: typeof a): string =>
      shape === undefined ? `${values.length} numbers` : `[${shape.join(', ')}]`;
    throw new Error(`expectClose: shapes differ: actual ${describe(a)}, expected ${describe(e)}.`);
  }
  let wrong = 0;
  let worst = { excess: -1, at: 0, absolute: 0, relative: 0 };
  for (let i = 0; i < a.values.length; i++) {
    const x = Number(a.values[i]);
    const y = Number(e.values[i]);
    if (Object.is(x, y) || x === y) continue;
    const absolute = Math.abs(x - y);
    const relative = absolute / Math.abs(y);
    const excess = absolute - (atol + rtol * Math.abs(y));
    if (excess <= 0) continue;
    wrong++;
    // A NaN on one side is worse than any number.
    const rank = Number.isNaN(excess) ? Infinity : excess;
    if (rank > worst.excess) worst = { excess: rank, at: i, absolute, relative };
  }
  if (wrong === 0) return;
  const where = position(worst.at, a.shape ?? e.shape ?? [a.values.length]);
  throw new Error(
    `expectClose: ${wrong} of ${a.values.length} elements differ by more than atol ${atol} + rtol ${rtol} * |expected|. ` +
      `Worst at ${where}: actual ${a.values[worst.at]}, expected ${e.values[worst.at]} ` +
      `(absolute error ${worst.absolute.toPrecision(3)}, relative ${worst.relative.toPrecision(3)}).`,
  );
}
