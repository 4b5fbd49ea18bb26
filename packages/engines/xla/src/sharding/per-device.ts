/**
 * A part of a program that each device computes for itself, on its own part of the inputs.
 *
 * XLA's partitioner splits operations that it knows. Custom calls, such as own kernels, it does not: it would gather all of
 * their operands on every device. Where the rows of a computation are independent we say how to split it:
 * `sdy.manual_computation` of Shardy, whose body sees local shapes.
 */
import type { ShardSpec } from '@tesserae/tensor';
import { operations, reduce, reshape } from '../graph/hlo.ts';
import { region } from '../graph/loop.ts';
import type { Node } from '../graph/node.ts';
import type { DeviceMesh, Placement } from './placement.ts';

/** How an output lies, or `'sum'`: each device has its own share of a sum over `data`. */
export type OutputPart = ShardSpec | 'sum';

/** An input and how it is split. */
export interface InputPart {
  readonly node: Node;
  readonly spec: ShardSpec;
}

/**
 * Computes on each device.
 *
 * @param compute from nodes of local shapes, in the order of `inputs`, to as many outputs as `outputs`.
 * @returns the outputs in their whole shapes.
 */
export function perDevice(
  mesh: DeviceMesh,
  inputs: readonly InputPart[],
  outputs: readonly OutputPart[],
  compute: (local: Node[]) => readonly Node[],
): Node[] {
  const splits = (placement: Placement, dimension: number): number =>
    (placement.axes[dimension] ?? []).reduce((product, axis) => product * (mesh.mesh.axes[axis] as number), 1);
  const given = inputs.map(({ node, spec }) => mesh.placement(node.shape.length, spec));
  const local = inputs.map(({ node: { type, shape } }, i) => ({
    type,
    shape: shape.map((size, dimension) => size / splits(given[i] as Placement, dimension)),
  }));
  let results: { node: Node; placement: Placement }[] = [];
  const body = region(
    local,
    (parameters) => {
      results = compute(parameters).map((node, i) => {
        const part = outputs[i] as OutputPart;
        // Shares of a sum lie side by side along a new dimension, which is summed outside.
        if (part !== 'sum') return { node, placement: mesh.placement(node.shape.length, part) };
        return { node: reshape(node, [1, ...node.shape]), placement: mesh.placement(node.shape.length + 1, ['data']) };
      });
      return results.map(({ node }) => node);
    },
    'sdy.return',
  );
  const whole = results.map(({ node: { type, shape }, placement }) => ({
    type,
    shape: shape.map((size, dimension) => size * splits(placement, dimension)),
  }));
  const list = (placements: readonly Placement[]): string =>
    `#sdy.sharding_per_value<[${placements.map(({ text }) => text.slice('#sdy.sharding'.length)).join(', ')}]>`;
  const axes = Object.keys(mesh.mesh.axes).map((name) => `"${name}"`);
  const attributes = [
    `in_shardings = ${list(given)}`,
    `out_shardings = ${list(results.map(({ placement }) => placement))}`,
    `manual_axes = #sdy<manual_axes{${axes.join(', ')}}>`,
  ].join(', ');
  const nodes = operations(
    'sdy.manual_computation',
    inputs.map(({ node }) => node),
    whole,
    attributes,
    `(${body})`,
  );
  return nodes.map((node, i) => (outputs[i] === 'sum' ? reduce('add', node, 0, [0]) : node));
}
