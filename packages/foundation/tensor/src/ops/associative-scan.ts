/**
 * Prefix "sums" under any associative operation, in logarithmic depth (Blelloch, "Prefix Sums and Their Applications",
 * CMU-CS-90-190; the recursion is that of jax.lax.associative_scan).
 *
 * Pairs are combined, the half as long list is scanned, and the results fill the gaps: about 2n combinations in
 * 2 log2(n) calls of `combine`, each on whole slices, so state-space layers train in parallel over time.
 */
import * as tf from '@tensorflow/tfjs-core';
import { flatten, leaves as treeLeaves } from '../tree.ts';
import { normalAxis } from './check.ts';

/**
 * result[t] = combine(combine(elems[0], elems[1]) …, elems[t]).
 *
 * Differentiable if `combine` is; the result equals the sequential one up to rounding. For h_t = a_t h_{t-1} + b_t
 * `linearRecurrence` is faster and keeps less for its gradient.
 *
 * @param combine joins the prefix `earlier` with `later`, elementwise along the axis: both are trees like `elems` with
 *   some number of elements along it. Must be associative; need not commute.
 * @param elems a tree of tensors with the same size along the axis.
 * @param axis default 0; the same for all leaves, counted from the front if they differ in rank.
 * @returns a tree like `elems`.
 */
export function associativeScan<T>(combine: (earlier: T, later: T) => T, elems: T, axis: number = 0): T {
  const { leaves, rebuild } = flatten(elems);
  const first = leaves[0];
  if (first === undefined) throw new TypeError("associativeScan: 'elems' must hold at least one tensor.");
  const axes = leaves.map((leaf) => normalAxis('associativeScan', axis, leaf.rank));
  const length = first.shape[axes[0] as number] as number;
  leaves.forEach((leaf, i) => {
    if (leaf.shape[axes[i] as number] !== length) {
      throw new RangeError(
        `associativeScan: all tensors of 'elems' must have one size along axis ${axis}, but got [${first.shape.join(', ')}] and [${leaf.shape.join(', ')}].`,
      );
    }
  });

  /** Elements start … start + size of the axis. */
  const part = (x: tf.Tensor, at: number, start: number, size: number): tf.Tensor => {
    const begin = x.shape.map((_, i) => (i === at ? start : 0));
    return tf.slice(
      x,
      begin,
      x.shape.map((whole, i) => (i === at ? size : whole)),
    );
  };
  /** Every second element, from 0 or 1, of the first 2 * half: by reshaping, whose gradient moves nothing. */
  const alternate = (x: tf.Tensor, at: number, half: number, offset: 0 | 1): tf.Tensor => {
    const paired = [...x.shape.slice(0, at), half, 2, ...x.shape.slice(at + 1)];
    const picked = part(tf.reshape(part(x, at, 0, 2 * half), paired), at + 1, offset, 1);
    return tf.reshape(picked, [...x.shape.slice(0, at), half, ...x.shape.slice(at + 1)]);
  };
  const each = (xs: readonly tf.Tensor[], fn: (x: tf.Tensor, at: number, i: number) => tf.Tensor): tf.Tensor[] =>
    xs.map((x, i) => fn(x, axes[i] as number, i));
  const join = (earlier: readonly tf.Tensor[], later: readonly tf.Tensor[]): tf.Tensor[] => {
    const joined = treeLeaves(combine(rebuild(earlier), rebuild(later)));
    if (joined.length !== leaves.length) {
      throw new TypeError(
        `associativeScan: 'combine' must return a tree like 'elems', with ${leaves.length} tensors, but it has ${joined.length}.`,
      );
    }
    return joined;
  };

  const scan = (xs: tf.Tensor[], n: number): tf.Tensor[] => {
    if (n < 2) return xs;
    const half = Math.floor(n / 2);
    const rest = n - 2 * half;
    const even = each(xs, (x, at) => alternate(x, at, half, 0));
    const odd = each(xs, (x, at) => alternate(x, at, half, 1));
    const scannedOdd = scan(join(even, odd), half); // results at 1, 3, 5, …
    // Results at 2, 4, …: the one before, combined with the element. At 0: the element itself.
    const later = half - 1 + rest;
    const scannedEven =
      later === 0
        ? even
        : (() => {
            const before = each(scannedOdd, (x, at) => (later === half ? x : part(x, at, 0, later)));
            const own = each(even, (x, at, i) => {
              const inner = half > 1 ? [part(x, at, 1, half - 1)] : [];
              const last = rest === 1 ? [part(xs[i] as tf.Tensor, at, n - 1, 1)] : [];
              return tf.concat([...inner, ...last], at);
            });
            const tail = join(before, own);
            return each(even, (x, at, i) => tf.concat([part(x, at, 0, 1), tail[i] as tf.Tensor], at));
          })();
    // Interleave: [even0, odd0, even1, odd1, …, last even].
    return each(scannedEven, (x, at, i) => {
      const woven = tf.stack([part(x, at, 0, half), scannedOdd[i] as tf.Tensor], at + 1);
      const flat = tf.reshape(woven, [...x.shape.slice(0, at), 2 * half, ...x.shape.slice(at + 1)]);
      return rest === 1 ? tf.concat([flat, part(x, at, half, 1)], at) : flat;
    });
  };

  return rebuild(tf.tidy(() => scan(leaves, length).map((x) => tf.clone(x))));
}
