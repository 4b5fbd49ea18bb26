/**
 * StableHLO's gather and scatter as functions of nodes, in their general form and for whole rows. Dimension numbers are
 * written as in the StableHLO specification.
 */
import type { ElementType } from '../pjrt/element-type.ts';
import { combiner, i64s, operation } from './hlo.ts';
import { typeText } from './node.ts';
import type { Node } from './node.ts';

/** Rows `indices` (i32) along a dimension; the result has the shape of `indices` there. Indices are clamped. */
export function take(x: Node, indices: Node, dimension: number): Node {
  const before = x.shape.slice(0, dimension);
  const after = x.shape.slice(dimension + 1);
  const shape = [...before, ...indices.shape, ...after];
  const offsets = [...before.map((_, i) => i), ...after.map((_, i) => dimension + indices.shape.length + i)];
  const sizes = x.shape.map((size, i) => (i === dimension ? 1 : size));
  const list = (values: readonly number[]): string => `[${values.join(', ')}]`;
  const attributes =
    `dimension_numbers = #stablehlo.gather<offset_dims = ${list(offsets)}, collapsed_slice_dims = [${dimension}], ` +
    `start_index_map = [${dimension}], index_vector_dim = ${indices.shape.length}>, slice_sizes = ${i64s(sizes)}, indices_are_sorted = false`;
  return operation('stablehlo.gather', [x, indices], x.type, shape, attributes);
}

/** General gather; see the StableHLO specification for the numbers. */
export function gather(
  x: Node,
  indices: Node,
  numbers: string,
  sizes: readonly number[],
  shape: readonly number[],
): Node {
  const attributes = `dimension_numbers = #stablehlo.gather<${numbers}>, slice_sizes = ${i64s(sizes)}, indices_are_sorted = false`;
  return operation('stablehlo.gather', [x, indices], x.type, shape, attributes);
}

/** General scatter. `combine` is a region from {@link combiner} or {@link replacer}. */
export function scatter(x: Node, indices: Node, updates: Node, numbers: string, combine: string): Node {
  const attributes = `scatter_dimension_numbers = #stablehlo.scatter<${numbers}>, indices_are_sorted = false, unique_indices = false`;
  return operation('stablehlo.scatter', [x, indices, updates], x.type, x.shape, attributes, combine);
}

/** A region that takes the new value. */
export function replacer(type: ElementType): string {
  const scalar = typeText(type, []);
  return `({ ^bb0(%ra: ${scalar}, %rb: ${scalar}): "stablehlo.return"(%rb) : (${scalar}) -> () })`;
}

/** Adds rows of `updates` [N, …] to rows `indices` (i32 [N]) of x [K, …]; indices outside are dropped. */
export function scatterAddRows(x: Node, indices: Node, updates: Node): Node {
  const windows = x.shape.slice(1).map((_, i) => i + 1);
  const numbers =
    `update_window_dims = [${windows.join(', ')}], inserted_window_dims = [0], ` +
    `scatter_dims_to_operand_dims = [0], index_vector_dim = 1`;
  return scatter(x, indices, updates, numbers, combiner('add', x.type));
}
