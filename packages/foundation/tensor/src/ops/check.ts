/** Argument checks of the ops, with messages that name the op, the argument and the shapes. */
import * as tf from '@tensorflow/tfjs-core';

/** `float32 [2, 3]`. */
export function describe(x: unknown): string {
  return x instanceof tf.Tensor ? `${x.dtype} [${(x as tf.Tensor).shape.join(', ')}]` : x === null ? 'null' : typeof x;
}

/** @throws TypeError unless `x` is a tensor of this dtype that is not disposed, and, if given, one of these ranks. */
export function checkTensor(
  operation: string,
  argument: string,
  x: unknown,
  expected: { dtype?: tf.DataType; ranks?: readonly number[]; shape?: string },
): asserts x is tf.Tensor {
  const { dtype = 'float32', ranks, shape = ranks === undefined ? '' : ` of rank ${ranks.join(' or ')}` } = expected;
  if (x instanceof tf.Tensor && x.dtype === dtype && (ranks === undefined || ranks.includes(x.rank))) {
    if (!x.isDisposed) return;
    throw new TypeError(
      `${operation}: '${argument}' ${describe(x)} is disposed already. Use it before it is, or keep it with tf.keep or scope().keep.`,
    );
  }
  throw new TypeError(`${operation}: '${argument}' must be ${dtype}${shape}, but got ${describe(x)}.`);
}

/** @throws RangeError if two tensors differ in shape. */
export function checkSameShape(operation: string, nameA: string, a: tf.Tensor, nameB: string, b: tf.Tensor): void {
  if (tf.util.arraysEqual(a.shape, b.shape)) return;
  throw new RangeError(
    `${operation}: '${nameA}' and '${nameB}' must have one shape, but got ${nameA} [${a.shape.join(', ')}], ${nameB} [${b.shape.join(', ')}].`,
  );
}

/** An axis counted from the front. @throws RangeError if it is outside of the tensor. */
export function normalAxis(operation: string, axis: number, rank: number): number {
  if (rank === 0) throw new RangeError(`${operation}: the tensor must have at least one axis, but got a scalar.`);
  const positive = axis < 0 ? axis + rank : axis;
  if (!Number.isInteger(axis) || positive < 0 || positive >= rank) {
    throw new RangeError(`${operation}: 'axis' must be an integer in [${-rank}, ${rank - 1}], but got ${axis}.`);
  }
  return positive;
}
