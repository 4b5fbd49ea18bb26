/**
 * How the tests of this folder write down a gradient to check: a name, a function of tensors, and the shapes of its inputs.
 */
import * as tf from '@tensorflow/tfjs-core';
import { spreadValues as values, type GradientCase } from './finiteDifferences.ts';

/** A row of the tests: a function, its inputs, and whether its gradient's gradient is checked. */
export interface Row {
  readonly name: string;
  /** Built inside the test, once the backend is there. */
  readonly build: () => GradientCase;
  /** Whether the gradient of the gradient is checked too. Default true. */
  readonly second?: boolean;
}

export const unary = (
  name: string,
  f: (x: tf.Tensor) => tf.Tensor,
  low = -1.9,
  high = 1.9,
  extra: Partial<GradientCase> = {},
): Row => ({ name, build: () => ({ f: (x) => f(x!), inputs: [values([2, 3], low, high)], ...extra }) });

export const binary = (name: string, f: (a: tf.Tensor, b: tf.Tensor) => tf.Tensor, low = -1.9, high = 1.9): Row[] =>
  [
    [
      [2, 3],
      [2, 3],
    ],
    [[2, 3], [3]],
    [
      [2, 1, 3],
      [4, 1],
    ],
    [[], [2, 2]],
    [[2, 2], []],
  ].map(([a, b]) => ({
    name: `${name} of [${a}] and [${b}]`,
    build: () => ({
      f: (x, y) => f(x!, y!),
      inputs: [values(a!, low, high), values(b!, low, high, 5.37)],
      step: 0.002,
    }),
  }));

/** Any function of tensors with the given shapes. */
export const of = (
  name: string,
  shapes: number[][],
  f: (...xs: tf.Tensor[]) => tf.Tensor,
  options: { second?: boolean; low?: number; high?: number; step?: number } = {},
): Row => ({
  name,
  second: options.second ?? true,
  build: () => ({
    f,
    inputs: shapes.map((shape, i) => values(shape, options.low ?? -1, options.high ?? 1, 13 * i)),
    ...(options.step === undefined ? {} : { step: options.step }),
  }),
});

export const ids = (list: number[], shape: number[] = [list.length]): tf.Tensor => tf.tensor(list, shape, 'int32');
