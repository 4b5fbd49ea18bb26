/** Loops within loops: an inner region sees the names of the outer ones, so none may be taken twice. */
import { expect, test } from 'vitest';
import { add, compare } from './hlo.ts';
import { index, whileLoop } from './loop.ts';
import type { Node } from './node.ts';
import { writeModule } from './write-module.ts';

/** Counts to 2 in loops of some depth, each with the ones inside it as its body. */
function nested(depth: number, start: Node): Node {
  const [count] = whileLoop(
    [start],
    ([turn]) => compare('LT', turn as Node, index(2)),
    ([turn]) => [add(depth === 1 ? (turn as Node) : nested(depth - 1, turn as Node), index(1))],
  );
  return count as Node;
}

test.each([1, 2, 3, 4])('%i loops deep, every region has names of its own', (depth) => {
  const { text } = writeModule([nested(depth, index(0))], { name: 'nested' });
  const regions = [...text.matchAll(/\^bb0\(%(w+)_0/g)].map(([, name]) => (name as string).length);
  expect(regions).toHaveLength(2 * depth);
  // From the outside in: a condition, whose names are the shortest, and a body, each within the one before.
  const bodies = regions.filter((_, i) => i % 2 === 1);
  expect(bodies).toEqual(Array.from({ length: depth }, (_, i) => depth - i));
});
