/** Numpy-style conveniences over hlo.ts: broadcasting and reductions that keep dimensions. */
import { binary, broadcastInDim, constant, reduce, reshape } from './hlo.ts';
import type { BinaryName } from './hlo.ts';
import { sameShape } from './node.ts';
import type { Node } from './node.ts';

/** The shape that two shapes broadcast to. */
export function broadcastShape(a: readonly number[], b: readonly number[]): number[] {
  const rank = Math.max(a.length, b.length);
  return Array.from({ length: rank }, (_, i) => {
    const x = a[a.length - rank + i] ?? 1;
    const y = b[b.length - rank + i] ?? 1;
    if (x !== y && x !== 1 && y !== 1) {
      throw new Error(`Operands could not be broadcast together with shapes [${a.join(', ')}] and [${b.join(', ')}].`);
    }
    return x === 1 ? y : x;
  });
}

/** x repeated to a shape; dimensions are aligned at the end. */
export function broadcastTo(x: Node, shape: readonly number[]): Node {
  if (sameShape(x.shape, shape)) return x;
  const offset = shape.length - x.shape.length;
  // Unit dimensions are dropped first: StableHLO then sees a plain broadcast, which fuses best.
  const kept = x.shape.map((_, i) => i).filter((i) => x.shape[i] !== 1 || shape[i + offset] === 1);
  const squeezed = reshape(
    x,
    kept.map((i) => x.shape[i] as number),
  );
  return broadcastInDim(
    squeezed,
    shape,
    kept.map((i) => i + offset),
  );
}

/** Both operands in their common shape. */
export function broadcastBoth(a: Node, b: Node): [Node, Node] {
  const shape = broadcastShape(a.shape, b.shape);
  return [broadcastTo(a, shape), broadcastTo(b, shape)];
}

/** Elementwise with broadcasting. */
export function apply(name: BinaryName, a: Node, b: Node): Node {
  return binary(name, ...broadcastBoth(a, b));
}

/** Elementwise with a number. */
export function applyScalar(name: BinaryName, x: Node, value: number): Node {
  return binary(name, x, constant(value, x.type, x.shape));
}

/** Reduces dimensions to size 1. */
export function reduceKeeping(name: BinaryName, x: Node, initial: number, dimensions: readonly number[]): Node {
  const reduced = reduce(name, x, initial, dimensions);
  return reshape(
    reduced,
    x.shape.map((size, i) => (dimensions.includes(i) ? 1 : size)),
  );
}
