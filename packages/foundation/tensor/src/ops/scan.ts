/**
 * A loop over the leading axis that carries state, as jax.lax.scan.
 *
 * Engines that can record a loop (XLA) call `step` once and run it as one loop, of any length (rolled-scan.ts); the others
 * call it for each element. For long sequences with an associative step `associativeScan` is parallel over time.
 */
import * as tf from '@tensorflow/tfjs-core';
import { isLooping } from '../backend-contract.ts';
import { checksNumerics } from '../check-numerics.ts';
import { flatten, leaves as treeLeaves } from '../tree.ts';
import { checkedStep } from './scan-step.ts';
import { rolledScan } from './rolled-scan.ts';

/** Result of {@link scan}. */
export interface ScanResult<Carry, Output> {
  /** The state after the last step. */
  readonly carry: Carry;
  /** A tree like one step's output, with a leading axis of T. */
  readonly outputs: Output;
}

/** One step of {@link scan}. */
export type ScanStep<Carry, X, Output> = (carry: Carry, x: X) => { carry: Carry; output: Output };

/**
 * For t = 0 … T-1: ({ carry, output: outputs[t] } = step(carry, xs[t])).
 *
 * On engines that record loops `step` must return a carry of the shapes and dtypes of `init`, must not read values, and
 * gets no ambient random key: pass keys through `xs`. The backward pass runs the loop from the end over the saved states,
 * so it keeps T carries and nothing else of the steps; gradients of gradients are unrolled.
 *
 * @param step one step: from the state and the slice of `xs` at t to the new state and an output tree.
 * @param init the first state, a tree of tensors.
 * @param xs a tree of tensors [T, ...], T at least 1.
 * @throws RangeError if the sizes of `xs` differ, TypeError if `step` returns something else or the carry
 * changes its structure, shape, dtype or what is no tensor in it.
 */
export function scan<Carry, X, Output>(
  step: ScanStep<Carry, X, Output>,
  init: Carry,
  xs: X,
): ScanResult<Carry, Output> {
  const leaves = treeLeaves(xs);
  const length = leaves[0]?.shape[0];
  if (length === undefined || length < 1 || leaves.some((leaf) => leaf.shape[0] !== length)) {
    const shapes = leaves.map((leaf) => `[${leaf.shape.join(', ')}]`).join(', ');
    throw new RangeError(
      `scan: the tensors of 'xs' must share a leading size T of at least 1, but got ${shapes || 'no tensor'}.`,
    );
  }
  const checked = checkedStep(step, init);
  const backend = tf.backend();
  return (
    // Checked ops must be ones that run one after the other.
    (isLooping(backend) && !checksNumerics() ? rolledScan(backend, checked, init, xs, unrolledScan) : undefined) ??
    unrolledScan(checked, init, xs)
  );
}

function unrolledScan<Carry, X, Output>(
  step: ScanStep<Carry, X, Output>,
  init: Carry,
  xs: X,
): ScanResult<Carry, Output> {
  const input = flatten(xs);
  const length = (input.leaves[0] as tf.Tensor).shape[0] as number;
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
