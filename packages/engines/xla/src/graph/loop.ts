/**
 * Loops: `stablehlo.while` over a tuple of values, its condition and body given as functions of nodes.
 *
 * Regions see nothing of the graph around them but the state: what the body needs goes through it.
 */
import { constant, operations } from './hlo.ts';
import { Node } from './node.ts';
import type { TensorType } from './node.ts';
import { writeOperations } from './write-operations.ts';

/** A scalar i32: the counter of a loop, or where a slice starts. */
export const index = (value: number): Node => constant(value, 'i32');

/** A region with one parameter for each state value, as text; `terminator` returns the outputs. */
export function region(
  state: readonly TensorType[],
  compute: (state: Node[]) => readonly Node[],
  terminator = 'stablehlo.return',
): string {
  const parameters = state.map(({ type, shape }) => new Node(type, shape));
  const outputs = compute(parameters);
  const lines: string[] = [];
  const body = { names: new Map<Node, string>(), lines, prefix: '' };
  // Loops within the body have taken shorter names: those of the outermost loop are the longest.
  const write = (depth: number): void => {
    body.prefix = `%${'w'.repeat(depth)}`;
    body.names.clear();
    lines.length = 0;
    parameters.forEach((parameter, i) => body.names.set(parameter, `${body.prefix}_${i}`));
    writeOperations(outputs, {
      ...body,
      leaf: () => {
        throw new Error('internal: xla loop body uses a value from outside; pass it through the state.');
      },
    });
  };
  write(1);
  // A line holds all regions of its operation, and a loop's condition has shorter names than its body.
  const inner = lines.flatMap((line) =>
    [...line.matchAll(/\^bb0\(%(w+)_/g)].map(([, name]) => (name as string).length),
  );
  const depth = 1 + Math.max(0, ...inner);
  if (depth > 1) write(depth);
  const types = outputs.map(({ text }) => text).join(', ');
  const results = outputs.map((output) => body.names.get(output) as string).join(', ');
  const heads = parameters.map((parameter) => `${body.names.get(parameter) as string}: ${parameter.text}`).join(', ');
  return `{ ^bb0(${heads}):\n${lines.join('\n')}\n    "${terminator}"(${results}) : (${types}) -> () }`;
}

/**
 * Repeats `body` while `condition`, a scalar i1, holds.
 *
 * @returns the state after the last turn, with the shapes of `initial`.
 */
export function whileLoop(
  initial: readonly Node[],
  condition: (state: Node[]) => Node,
  body: (state: Node[]) => readonly Node[],
): Node[] {
  const regions = `(${region(initial, (state) => [condition(state)])}, ${region(initial, body)})`;
  return operations('stablehlo.while', initial, initial, '', regions);
}
