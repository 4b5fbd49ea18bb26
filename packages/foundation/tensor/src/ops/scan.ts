/**
 * A loop over the leading axis that carries state, as jax.lax.scan. Unrolled: a compiled program holds one copy of
 * `step` for each element, and the backward pass every intermediate. For long sequences with an associative step use
 * `associativeScan`.
 */
import * as tf from '@tensorflow/tfjs-core';
import { flatten, leaves as treeLeaves } from '../tree.ts';

/** Result of {@link scan}. */
export interface ScanResult<Carry, Output> {
  /** The state after the last step. */
  readonly carry: Carry;
  /** A tree like one step's output, with a leading axis of T. */
  readonly outputs: Output;
}

/**
 * For t = 0 … T-1: ({ carry, output: outputs[t] } = step(carry, xs[t])).
 *
 * @param step one step: from the state and the slice of `xs` at t to the new state and an output tree.
 * @param init the first state, a tree of tensors.
 * @param xs a tree of tensors [T, ...], T at least 1.
 */
export function scan<Carry, X, Output>(
  step: (carry: Carry, x: X) => { carry: Carry; output: Output },
  init: Carry,
  xs: X,
): ScanResult<Carry, Output> {
  const input = flatten(xs);
  const length = input.leaves[0]?.shape[0];
  if (length === undefined || length < 1 || input.leaves.some((leaf) => leaf.shape[0] !== length)) {
    const shapes = input.leaves.map((leaf) => `[${leaf.shape.join(', ')}]`).join(', ');
    throw new RangeError(
      `scan: the tensors of 'xs' must share a leading size T of at least 1, but got ${shapes || 'no tensor'}.`,
    );
  }
  let structure: { rebuild(leaves: readonly unknown[]): ScanResult<Carry, Output> } | undefined;
  const results = tf.tidy(() => {
    const slices = input.leaves.map((leaf) => tf.unstack(leaf));
    let carry = init;
    const columns: tf.Tensor[][] = [];
    let last: Output | undefined;
    for (let t = 0; t < length; t++) {
      const result = step(carry, input.rebuild(slices.map((slice) => slice[t])));
      carry = result.carry;
      last = result.output;
      treeLeaves(last).forEach((leaf, i) => (columns[i] ??= []).push(leaf));
    }
    const uneven = columns.find((column) => column.length !== length);
    if (uneven !== undefined) throw new TypeError("scan: 'step' must return the same structure of outputs each time.");
    const final = { carry, outputs: last as Output };
    structure = flatten(final);
    // The state may be `init` itself or an output: clones belong to the caller alone.
    return [...treeLeaves(carry).map((leaf) => tf.clone(leaf)), ...columns.map((column) => tf.stack(column))];
  });
  return (structure as NonNullable<typeof structure>).rebuild(results);
}
