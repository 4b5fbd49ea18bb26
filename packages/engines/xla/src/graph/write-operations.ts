/** Writes the operations that some nodes need, each once, operands first. Shared by modules and by regions of loops. */
import type { Node } from './node.ts';

/** Where the text goes and how values are named. */
export interface OperationSink {
  /** Names of values that are known already; new ones are added. */
  readonly names: Map<Node, string>;
  readonly lines: string[];
  /** What new names begin with, for example `%`. */
  readonly prefix: string;
  /** Gets the node of each line, where someone wants to know. */
  readonly written?: Map<number, Node>;
  /** Called for a leaf without a name: must give it one. */
  leaf(node: Node): void;
}

/** See the file header. */
export function writeOperations(outputs: readonly Node[], sink: OperationSink): void {
  const { names, lines, prefix } = sink;

  const write = (node: Node): void => {
    const { operation } = node;
    if (operation === undefined) {
      sink.leaf(node);
      return;
    }
    const { inputs } = operation;
    if (operation.name === 'result') {
      names.set(node, `${names.get(inputs[0] as Node) as string}#${operation.index}`);
      return;
    }
    const name = `${prefix}${lines.length}`;
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
    sink.written?.set(lines.length, node);
    lines.push(`    ${left} = "${operation.name}"(${values})${regions}${braces} : (${types}) -> ${right}`);
    names.set(node, name);
  };

  // Depth first with a stack of our own: a training step is deeper than the call stack allows.
  const stack: { node: Node; position: number }[] = [];
  for (const output of outputs) {
    if (names.has(output)) continue;
    stack.push({ node: output, position: 0 });
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
  }
}

const typeOf = ({ type, shape }: { type: string; shape: readonly number[] }): string =>
  shape.length === 0 ? `tensor<${type}>` : `tensor<${shape.join('x')}x${type}>`;
