/**
 * Writes a graph as a StableHLO module.
 *
 * Every operation is written in MLIR's generic form, so that one line of code writes them all. The text is also the key
 * of the program cache: values are numbered in the order in which they are reached, so equal graphs give equal texts.
 */
import { denseText } from './literal.ts';
import type { Placement } from '../sharding/placement.ts';
import type { Node } from './node.ts';
import { writeOperations } from './write-operations.ts';

/** A module and the leaves that are its arguments, in order. */
export interface Module {
  readonly text: string;
  readonly arguments: readonly Node[];
  /** The nodes that it computes. */
  readonly nodes: Iterable<Node>;
  /** The node that is written at a line of the text, counted from 1. */
  nodeAt(line: number): Node | undefined;
}

/** How to write a module. */
export interface WriteOptions {
  readonly name: string;
  /** Leaves that must be arguments, in this order, used or not. */
  readonly leading?: readonly Node[];
  /** For a leaf, the output that takes over its memory. */
  readonly donations?: ReadonlyMap<Node, number>;
  /** Whether a leaf with host values is written as a constant. */
  readonly inline?: (leaf: Node) => boolean;
  /** For a program on a mesh: the text that opens the module, and where arguments and outputs lie. */
  readonly partition?: Partition | undefined;
}

/** See {@link WriteOptions.partition}. */
export interface Partition {
  readonly moduleHead: string;
  readonly argument: (leaf: Node) => Placement;
  readonly output: (node: Node, index: number) => Placement;
}

/** See the file header. */
export function writeModule(outputs: readonly Node[], options: WriteOptions): Module {
  const names = new Map<Node, string>();
  const args: Node[] = [];
  const lines: string[] = [];

  const addArgument = (leaf: Node): void => {
    names.set(leaf, `%arg${args.length}`);
    args.push(leaf);
  };
  for (const leaf of options.leading ?? []) addArgument(leaf);

  const leaf = (node: Node): void => {
    if (node.host !== undefined && options.inline?.(node) === true) {
      const name = `%${lines.length}`;
      const values = denseText(node.host, node.type, node.shape);
      lines.push(`    ${name} = "stablehlo.constant"() {value = ${values}} : () -> ${node.text}`);
      names.set(node, name);
    } else {
      addArgument(node);
    }
  };
  const written = new Map<number, Node>();
  writeOperations(outputs, { names, lines, prefix: '%', leaf, written });

  const { partition } = options;
  const parameters = args.map((leaf, i) => {
    const target = options.donations?.get(leaf);
    const attributes = [
      ...(partition === undefined ? [] : [`sdy.sharding = ${partition.argument(leaf).text}`]),
      ...(target === undefined ? [] : [`tf.aliasing_output = ${target} : i32`]),
    ];
    return `%arg${i}: ${leaf.text}${attributes.length === 0 ? '' : ` {${attributes.join(', ')}}`}`;
  });
  const resultTypes = outputs.map((output) => output.text).join(', ');
  const placedTypes =
    partition === undefined
      ? resultTypes
      : outputs.map((node, i) => `${node.text} {sdy.sharding = ${partition.output(node, i).text}}`).join(', ');
  const resultNames = outputs.map((output) => names.get(output) as string).join(', ');
  const text = [
    `module @${options.name.replace(/\W/g, '_')} ${partition?.moduleHead ?? '{'}`,
    `  func.func public @main(${parameters.join(', ')}) -> (${placedTypes}) {`,
    ...lines,
    `    "func.return"(${resultNames}) : (${resultTypes}) -> ()`,
    '  }',
    '}',
    '',
  ].join('\n');
  const nodeAt = (wanted: number): Node | undefined => {
    let line = 3; // after the heads of the module and the function
    // Loops take more than one line.
    for (const [index, entry] of lines.entries()) {
      const next = line + entry.split('\n').length;
      if (wanted >= line && wanted < next) return written.get(index);
      line = next;
    }
    return undefined;
  };
  return { text, arguments: args, nodes: written.values(), nodeAt };
}
