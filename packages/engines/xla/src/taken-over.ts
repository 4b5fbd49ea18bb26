/** Which results of a program take over the memory of which donated arguments. */
import { sameShape } from './graph/node.ts';
import type { Node } from './graph/node.ts';
import type { Placement } from './sharding/placement.ts';

/** A value, and on a mesh how it lies. */
interface Placed {
  readonly node: Node;
  readonly placement: Placement | undefined;
}

/** Each argument with the first result of its type, shape and placement that is still free; without one it is left out. */
export function takenOver(given: readonly Placed[], results: readonly Placed[]): Map<Node, number> {
  const pairs = new Map<Node, number>();
  const taken = new Set<number>();
  for (const { node, placement } of given) {
    const index = results.findIndex(
      (result, i) =>
        !taken.has(i) &&
        result.node.type === node.type &&
        sameShape(result.node.shape, node.shape) &&
        result.placement === placement,
    );
    if (index < 0) continue;
    taken.add(index);
    pairs.set(node, index);
  }
  return pairs;
}
