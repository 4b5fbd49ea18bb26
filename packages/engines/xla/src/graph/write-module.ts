/**
 * Writes a graph as a StableHLO module.
 *
 * Every operation is written in MLIR's generic form, so that one line of code writes them all. The text is also the key
 * of the program cache: values are numbered in the order in which they are reached, so equal graphs give equal texts.
 */
import { denseText } from './literal.ts';
import type { Node } from './node.ts';

/** A module and the leaves that are its arguments, in order. */
export interface Module {
  readonly text: string;
  readonly arguments: readonly Node[];
}

/** How to write a module. */
export interface WriteOptions {
  readonly name: string;
  /** Leaves that must be arguments, in this order, used or not. */
  readonly leading?: readonly Node[];
  /** For a position in `leading`, the output that takes over its memory. */
  readonly donations?: ReadonlyMap<number, number>;
  /** Whether a leaf with host values is written as a constant. */
  readonly inline?: (leaf: Node) => boolean;
}

/** See the file header. */
export function writeModule(outputs: readonly Node[], options: WriteOptions): Module {
  const names = new Map<Node, string>();
  const args: Node[] = [];
  const lines: string[] = [];
  let next = 0;

  const addArgument = (leaf: Node): void => {
    names.set(leaf, `%arg${args.length}`);
    args.push(leaf);
  };
  for (const leaf of options.leading ?? []) addArgument(leaf);

  const write = (node: Node): void => {
    const { operation } = node;
    if (operation === undefined) {
      if (node.host !== undefined && options.inline?.(node) === true) {
        const name = `%${next++}`;
        lines.push(
          `    ${name} = "stablehlo.constant"() {value = ${denseText(node.host, node.type, node.shape)}} : () -> ${node.text}`,
        );
        names.set(node, name);
      } else {
        addArgument(node);
      }
      return;
    }
    const { inputs } = operation;
    if (operation.name === 'result') {
      names.set(node, `${names.get(inputs[0] as Node) as string}#${operation.index}`);
      return;
    }
    const name = `%${next++}`;
    let values = '';
    let types = '';
    for (let i = 0; i < inputs.length; i++) {
      const input = inputs[i] as Node;
      values += (i === 0 ? '' : ', ') + (names.get(input) as string);
      types += (i === 0 ? '' : ', ') + input.text;
    }
    const { results, attributes, regions } = operation;
    const left = results === undefined ? name : `${name}:${results.length}`;
    const right = results === undefined ? node.text : `(${results.map((result) => typeOf(result)).join(', ')})`;
    const braces = attributes === '' ? '' : ` {${attributes}}`;
    lines.push(`    ${left} = "${operation.name}"(${values})${regions}${braces} : (${types}) -> ${right}`);
    names.set(node, name);
  };

  // Depth first with a stack of our own: a training step is deeper than the call stack allows.
  const stack: { node: Node; position: number }[] = [];
  const visit = (root: Node): void => {
    if (names.has(root)) return;
    stack.push({ node: root, position: 0 });
    while (stack.length > 0) {
      const top = stack[stack.length - 1] as { node: Node; position: number };
      const input = top.node.operation?.inputs[top.position++];
      if (input === undefined) {
        stack.pop();
        if (!names.has(top.node)) write(top.node);
      } else if (!names.has(input)) {
        stack.push({ node: input, position: 0 });
      }
    }
  };
  for (const output of outputs) visit(output);

  const parameters = args.map((leaf, i) => {
    const target = options.donations?.get(i);
    return `%arg${i}: ${leaf.text}${target === undefined ? '' : ` {tf.aliasing_output = ${target} : i32}`}`;
  });
  const resultTypes = outputs.map((output) => output.text).join(', ');
  const resultNames = outputs.map((output) => names.get(output) as string).join(', ');
  const text = [
    `module @${options.name.replace(/\W/g, '_')} {`,
    `  func.func public @main(${parameters.join(', ')}) -> (${resultTypes}) {`,
    ...lines,
    `    "func.return"(${resultNames}) : (${resultTypes}) -> ()`,
    '  }',
    '}',
    '',
  ].join('\n');
  return { text, arguments: args };
}

const typeOf = ({ type, shape }: { type: string; shape: readonly number[] }): string =>
  shape.length === 0 ? `tensor<${type}>` : `tensor<${shape.join('x')}x${type}>`;
