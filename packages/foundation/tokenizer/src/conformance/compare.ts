/** Comparing tensors so that a report says where and by how much they differ. */
import type { tf } from '@tesserae/tensor';

/**
 * The first place where two tensors differ, in words, or undefined.
 *
 * @param tolerance - Largest allowed difference, relative to the larger magnitude where that is above 1.
 */
export async function difference(a: tf.Tensor, b: tf.Tensor, tolerance = 0): Promise<string | undefined> {
  if (a.dtype !== b.dtype) return `dtypes ${a.dtype} and ${b.dtype}`;
  if (a.shape.join() !== b.shape.join()) return `shapes [${a.shape.join(', ')}] and [${b.shape.join(', ')}]`;
  const [left, right] = [await a.data(), await b.data()];
  let first = -1;
  let count = 0;
  for (let i = 0; i < left.length; i++) {
    const [x, y] = [left[i] as number, right[i] as number];
    const allowed = tolerance * Math.max(1, Math.abs(x), Math.abs(y));
    if (Object.is(x, y) || Math.abs(x - y) <= allowed) continue;
    if (first < 0) first = i;
    count++;
  }
  if (first < 0) return undefined;
  return `${left[first]} and ${right[first]} at [${position(first, a.shape).join(', ')}], ${count} of ${left.length} values differ`;
}

/** The first number that is not finite, in words, or undefined. */
export async function notFinite(tensor: tf.Tensor): Promise<string | undefined> {
  const values = await tensor.data();
  const index = values.findIndex((value: number) => !Number.isFinite(value));
  return index < 0 ? undefined : `${values[index]} at [${position(index, tensor.shape).join(', ')}]`;
}

/** A flat position as one number for each axis. */
function position(index: number, shape: readonly number[]): number[] {
  const at: number[] = [];
  let rest = index;
  for (let axis = shape.length - 1; axis >= 0; axis--) {
    at.unshift(rest % (shape[axis] as number));
    rest = Math.floor(rest / (shape[axis] as number));
  }
  return at;
}
