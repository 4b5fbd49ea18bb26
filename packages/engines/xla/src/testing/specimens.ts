/** Inputs of kernel tests as data: they become tensors of whichever engine is in use. */
import { tf } from '@tesserae/tensor';

/** Values of one tensor. */
export interface Specimen {
  readonly dtype: 'float32' | 'int32' | 'bool' | 'complex64';
  readonly shape: readonly number[];
  /** Pairs of real and imaginary parts for complex64. */
  readonly values: readonly number[];
}

const size = (shape: readonly number[]): number => shape.reduce((product, length) => product * length, 1);

/** Numbers in 0…1 that depend on the shape and position alone (the fractional parts of multiples of irrationals). */
function fractions(shape: readonly number[]): number[] {
  const seed = shape.reduce((sum, length, i) => sum + length * Math.SQRT2 * (i + 1), 0);
  return Array.from({ length: size(shape) }, (_, i) => {
    const mixed = Math.sin((i + 1) * 12.9898 + seed * 78.233) * 43758.5453;
    return mixed - Math.floor(mixed);
  });
}

/** float32 in -2…2. */
export const floats = (...shape: number[]): Specimen => ({
  dtype: 'float32',
  shape,
  values: fractions(shape).map((u) => Math.fround(4 * u - 2)),
});

/** float32 in low…high. */
export const between = (low: number, high: number, ...shape: number[]): Specimen => ({
  dtype: 'float32',
  shape,
  values: fractions(shape).map((u) => Math.fround(low + (high - low) * u)),
});

/** int32 in low…high - 1. */
export const integers = (low: number, high: number, ...shape: number[]): Specimen => ({
  dtype: 'int32',
  shape,
  values: fractions(shape).map((u) => low + Math.floor((high - low) * u)),
});

/** float32 of few values, so that many are equal. */
export const coarse = (...shape: number[]): Specimen => ({ ...integers(-2, 3, ...shape), dtype: 'float32' });

export const bools = (...shape: number[]): Specimen => ({ ...integers(0, 2, ...shape), dtype: 'bool' });

export const complexes = (...shape: number[]): Specimen => ({
  dtype: 'complex64',
  shape,
  values: fractions([...shape, 2]).map((u) => Math.fround(4 * u - 2)),
});

/** Given values. */
export const given = (
  values: readonly number[],
  shape: readonly number[] = [values.length],
  dtype: 'float32' | 'int32' | 'bool' = 'float32',
): Specimen => ({
  dtype,
  shape,
  values,
});

/** What arithmetic stumbles over: NaN, infinities, signed zeros, halves, large and small numbers. */
export const special: Specimen = given([
  NaN,
  Infinity,
  -Infinity,
  -0,
  0,
  1,
  -1,
  0.5,
  -0.5,
  1.5,
  2.5,
  -2.5,
  1e-7,
  -1e-7,
  20,
  -20,
]);

/** The extremes of int32, and small numbers of both signs. */
export const specialIntegers: Specimen = given([0, 1, -1, 7, -7, 2, -2, 2 ** 31 - 1, -(2 ** 31)], [9], 'int32');

/** A tensor on the engine in use. */
export function tensorOf({ dtype, shape, values }: Specimen): tf.Tensor {
  if (dtype !== 'complex64') return tf.tensor([...values], [...shape], dtype);
  const part = (offset: number): tf.Tensor =>
    tf.tensor(
      values.filter((_, i) => i % 2 === offset),
      [...shape],
    );
  return tf.tidy(() => tf.complex(part(0), part(1)));
}
