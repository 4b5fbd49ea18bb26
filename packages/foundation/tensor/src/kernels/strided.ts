/**
 * Loops over strided blocks of memory: the one form that broadcasting, tiling, slicing and reversing share. An axis has
 * a size and, for each operand, the distance between neighbours, which is 0 where the operand is repeated.
 */
import * as tf from '@tensorflow/tfjs-core';
import { sizeOf } from './wasmBackend.ts';

/** Values of a tensor in the heap. */
export type Block = Float32Array | Int32Array | Uint8Array;

/** Axes of a loop, outermost first, and the distances for each operand. */
export interface Loop {
  readonly sizes: number[];
  readonly strides: number[][];
}

/** Distances of operands broadcast to `shape`. */
export function operandStrides(shape: readonly number[], operands: readonly (readonly number[])[]): number[][] {
  return operands.map((operand) => {
    const lead = shape.length - operand.length;
    const full = tf.util.computeStrides([...operand, 1]);
    return shape.map((_, axis) => (axis < lead || operand[axis - lead] === 1 ? 0 : (full[axis - lead] ?? 1)));
  });
}

/** Joins axes that all operands run through in one go, so that the innermost loop is as long as it can be. */
export function collapse(shape: readonly number[], operands: readonly (readonly number[])[]): Loop {
  const sizes: number[] = [];
  const strides: number[][] = operands.map(() => []);
  shape.forEach((size, axis) => {
    if (size === 1) return;
    const last = sizes.length - 1;
    const joins = last >= 0 && operands.every((own, o) => strides[o]?.[last] === (own[axis] ?? 0) * size);
    if (joins) {
      sizes[last] = (sizes[last] ?? 1) * size;
      operands.forEach((own, o) => ((strides[o] as number[])[last] = own[axis] ?? 0));
    } else {
      sizes.push(size);
      operands.forEach((own, o) => (strides[o] as number[]).push(own[axis] ?? 0));
    }
  });
  if (sizes.length === 0) {
    sizes.push(1);
    strides.forEach((list) => list.push(0));
  }
  return { sizes, strides };
}

/** Calls `visit` with the offset of each operand for every position of all axes but the last, in order. */
export function eachRow(loop: Loop, visit: (offsets: readonly number[]) => void): void {
  const outer = loop.sizes.length - 1;
  const index = Array<number>(outer).fill(0);
  const offsets = loop.strides.map(() => 0);
  const rows = sizeOf(loop.sizes.slice(0, -1));
  for (let row = 0; row < rows; row++) {
    visit(offsets);
    for (let axis = outer - 1; axis >= 0; axis--) {
      const size = loop.sizes[axis] as number;
      const next = (index[axis] as number) + 1;
      const wrapped = next === size;
      index[axis] = wrapped ? 0 : next;
      for (let o = 0; o < offsets.length; o++) {
        const stride = (loop.strides[o] as number[])[axis] as number;
        (offsets[o] as number) += wrapped ? -stride * (size - 1) : stride;
      }
      if (!wrapped) break;
    }
  }
}

/** Rows shorter than this are copied one by one; for longer ones a block copy pays. */
const blockCopy = 24;

/** Copies the elements at `base` + strides of `from` into `to`, densely and in order. */
export function stridedCopy(
  from: Block,
  base: number,
  shape: readonly number[],
  strides: readonly number[],
  to: Block,
): void {
  const loop = collapse(shape, [strides]);
  // The two innermost axes in one loop nest, since the innermost is often short: a group's channels, a pixel's colours.
  if (loop.sizes.length === 1) {
    loop.sizes.unshift(1);
    loop.strides[0]?.unshift(0);
  }
  const n = loop.sizes.pop() as number;
  const step = loop.strides[0]?.pop() as number;
  const rows = loop.sizes.at(-1) as number;
  const rowStep = loop.strides[0]?.at(-1) as number;
  let write = 0;
  eachRow(loop, ([offset]) => {
    let start = base + (offset as number);
    for (let row = 0; row < rows; row++, start += rowStep, write += n) {
      if (step === 1 && n >= blockCopy) to.set(from.subarray(start, start + n), write);
      else if (step === 0 && n >= blockCopy) to.fill(from[start] as number, write, write + n);
      else for (let c = 0, read = start; c < n; c++, read += step) to[write + c] = from[read] as number;
    }
  });
}
