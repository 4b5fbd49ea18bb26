/** Output sizes of transposed convolutions, and the checks that the two- and three-dimensional op share. */
import type * as tf from '@tensorflow/tfjs-core';
import { describe } from './check.ts';

/** TensorFlow's two rules, or PyTorch's number. */
export type TransposePadding = 'same' | 'valid' | number;

/** Size of one axis of the output. @throws RangeError if it would not be positive or an option is not an integer. */
export function transposedSize(
  operation: string,
  input: number,
  kernel: number,
  stride: number,
  padding: TransposePadding,
  outputPadding: number,
): number {
  if (!Number.isInteger(stride) || stride < 1)
    throw new RangeError(`${operation}: 'strides' must be positive integers, but got ${stride}.`);
  if (outputPadding !== 0 && (typeof padding !== 'number' || outputPadding < 0 || outputPadding >= stride)) {
    throw new RangeError(
      `${operation}: 'outputPadding' must be less than the stride and needs a number as 'padding', but got ${outputPadding} with stride ${stride}, padding ${padding}.`,
    );
  }
  if (padding === 'same') return input * stride;
  const full = (input - 1) * stride + kernel;
  if (padding === 'valid') return full;
  const size = full - 2 * padding + outputPadding;
  if (!Number.isInteger(padding) || padding < 0 || size < 1) {
    throw new RangeError(
      `${operation}: 'padding' must be 'same', 'valid' or a non-negative integer that leaves an output, but got ${padding} (output ${size}).`,
    );
  }
  return size;
}

/** @throws RangeError unless the last axis of the filter is that of `x`. */
export function checkTransposeChannels(operation: string, x: tf.Tensor, filter: tf.Tensor): void {
  if (x.shape[x.rank - 1] === filter.shape[filter.rank - 1]) return;
  throw new RangeError(
    `${operation}: the last axis of 'filter' [..., Cout, Cin] must be the channels of 'x' [..., Cin], but got x ${describe(x)}, filter ${describe(filter)}.`,
  );
}
