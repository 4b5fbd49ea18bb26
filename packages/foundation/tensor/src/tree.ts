/**
 * Trees of tensors: nested plain objects and arrays with tensors at the leaves, flattened, mapped and disposed.
 *
 * Used for parameter sets, optimizer state, batches and the arguments of `compile`. Values that are neither a tensor,
 * an array nor a plain object (numbers, strings, class instances, null) are *static*: they stay in the structure and
 * are not leaves. Objects are walked in insertion order, so a tree and its rebuilt copy list leaves alike.
 */
import * as tf from '@tensorflow/tfjs-core';

/** A tree taken apart: its tensors in order, and the function that puts others in their places. */
export interface Flattened<T> {
  readonly leaves: tf.Tensor[];
  /** Puts one leaf in each place; throws if the number differs. */
  rebuild(leaves: readonly unknown[]): T;
}

/** True for objects written as literals (or without a prototype): the only objects a tree is walked into. */
function isPlainObject(value: unknown): value is Record<string, unknown> {
  if (typeof value !== 'object' || value === null) return false;
  const prototype: unknown = Object.getPrototypeOf(value);
  return prototype === Object.prototype || prototype === null;
}

function visit(node: unknown, path: string, found: [string, tf.Tensor][]): void {
  if (node instanceof tf.Tensor) {
    found.push([path, node as tf.Tensor]);
  } else if (Array.isArray(node)) {
    node.forEach((child, i) => visit(child, path === '' ? `${i}` : `${path}.${i}`, found));
  } else if (isPlainObject(node)) {
    for (const [key, child] of Object.entries(node)) visit(child, path === '' ? key : `${path}.${key}`, found);
  }
}

function replace(node: unknown, next: () => unknown): unknown {
  if (node instanceof tf.Tensor) return next();
  if (Array.isArray(node)) return node.map((child) => replace(child, next));
  if (isPlainObject(node)) {
    const copy: Record<string, unknown> = {};
    for (const [key, child] of Object.entries(node)) copy[key] = replace(child, next);
    return copy;
  }
  return node;
}

/** Every tensor with its path, for example `['encoder.0.weight', tensor]`; the path of a bare tensor is `''`. */
export function paths(tree: unknown): [path: string, leaf: tf.Tensor][] {
  const found: [string, tf.Tensor][] = [];
  visit(tree, '', found);
  return found;
}

/** The tensors of a tree, in the order of its keys. */
export function leaves(tree: unknown): tf.Tensor[] {
  return paths(tree).map(([, leaf]) => leaf);
}

/**
 * Takes a tree apart. `rebuild` copies the structure, static values included, with other leaves.
 *
 * @throws RangeError from `rebuild` if the number of leaves differs.
 */
export function flatten<T>(tree: T): Flattened<T> {
  const found = leaves(tree);
  return {
    leaves: found,
    rebuild(replacements: readonly unknown[]): T {
      if (replacements.length !== found.length) {
        throw new RangeError(
          `tree.flatten: rebuild expects ${found.length} leaves, one for each tensor of the tree, but got ${replacements.length}.`,
        );
      }
      let position = 0;
      return replace(tree, () => replacements[position++]) as T;
    },
  };
}

/**
 * Calls `fn` with the leaf of `tree` and the leaves in the same place of the other trees, and builds a tree of results.
 *
 * @throws Error if a tree has other paths than the first, naming the first path that differs.
 */
export function map<T>(
  fn: (leaf: tf.Tensor, ...rest: tf.Tensor[]) => unknown,
  tree: T,
  ...rest: readonly unknown[]
): T {
  const first = paths(tree);
  const others = rest.map((other, i) => {
    const found = paths(other);
    const differs = first.findIndex(([path], j) => found[j]?.[0] !== path);
    if (differs >= 0 || found.length !== first.length) {
      const at = differs >= 0 ? differs : first.length;
      throw new Error(
        `tree.map: tree ${i + 1} differs from tree 0 in structure: expected leaf '${first[at]?.[0] ?? '(none)'}', ` +
          `got '${found[at]?.[0] ?? '(none)'}' (${first.length} and ${found.length} leaves). Pass trees with the same keys.`,
      );
    }
    return found;
  });
  let position = 0;
  return replace(tree, () => {
    const at = position++;
    const [, leaf] = first[at] as [string, tf.Tensor];
    return fn(leaf, ...others.map((found) => (found[at] as [string, tf.Tensor])[1]));
  }) as T;
}

/** Disposes every tensor of a tree; those already disposed are left alone. */
export function dispose(tree: unknown): void {
  for (const leaf of leaves(tree)) if (!leaf.isDisposed) leaf.dispose();
}
