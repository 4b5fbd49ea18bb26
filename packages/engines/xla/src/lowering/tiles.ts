/** Cutting a dimension into tiles of one length, which loops go through. */
import { constant, pad } from '../graph/hlo.ts';
import type { Node } from '../graph/node.ts';

/** Below every score or logit, and finite: the start of a running maximum, whose difference to itself is 0, not NaN. */
export const lowest = -3e38;

/** Tiles of about this length, all of one size, a multiple of 16: the last may reach a little beyond the end. */
export const evenTile = (length: number, about: number): number => {
  const count = Math.ceil(length / about);
  return count === 1 ? length : Math.ceil(Math.ceil(length / count) / 16) * 16;
};

/** Zeros appended so that dimension `at` has `length`. */
export function lengthen(x: Node, at: number, length: number): Node {
  const low = x.shape.map(() => 0);
  const high = x.shape.map((size, i) => (i === at ? length - size : 0));
  return pad(x, constant(0, x.type), low, high);
}
