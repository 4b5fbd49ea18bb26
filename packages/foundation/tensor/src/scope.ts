/**
 * Scopes that survive `await`, and `using` on tensors.
 *
 * `tf.tidy` takes a synchronous function. `scope()` opens the same kind of memory scope and closes it when the `using`
 * block ends, however many `await`s lie between. Tensors get `[Symbol.dispose]`, so `using x = tf.zeros([2])` works too.
 *
 * Limit: TensorFlow.js has one stack of scopes. Two flows that run at the same time and both hold a scope share it: a
 * tensor belongs to the scope opened last. Do not overlap scopes of independent flows.
 */
import * as tf from '@tensorflow/tfjs-core';
import { leaves } from './tree.ts';

declare module '@tensorflow/tfjs-core/dist/tensor.js' {
  interface Tensor {
    /** Disposes the tensor, unless that has been done already. */
    [Symbol.dispose](): void;
  }
}

if (!(Symbol.dispose in tf.Tensor.prototype)) {
  Object.defineProperty(tf.Tensor.prototype, Symbol.dispose, {
    value(this: tf.Tensor) {
      if (!this.isDisposed) this.dispose();
    },
    configurable: true,
    writable: true,
  });
}

/** An open memory scope; see {@link scope}. */
export interface Scope extends Disposable {
  /** Spares the tensors of a tree from the end of the scope; they pass to the enclosing scope, as tidy's results do. */
  keep<T>(tree: T): T;
}

/**
 * Opens a memory scope. At its end every tensor made since is disposed, except variables, what `keep` was called with
 * and what `tf.keep` was called with.
 *
 * @example
 * {
 *   using s = scope();
 *   const image = s.keep(tf.tensor1d(await pixels()));
 * } // only `image` is left
 */
export function scope(): Scope {
  const engine = tf.engine();
  engine.startScope('scope');
  const { state } = engine;
  const own = state.activeScope;
  const kept = new Set<tf.Tensor>();
  let open = true;
  return {
    keep<T>(tree: T): T {
      if (!open)
        throw new Error('scope.keep: the scope has ended, so its tensors are gone. Call keep inside its block.');
      for (const leaf of leaves(tree)) kept.add(leaf);
      return tree;
    },
    [Symbol.dispose](): void {
      if (!open) return;
      open = false;
      // Not endScope(): scopes of overlapping flows may end out of order, and it would pop somebody else's.
      const at = state.scopeStack.indexOf(own);
      if (at < 0) return;
      state.scopeStack.splice(at, 1);
      const parent = state.scopeStack[at - 1];
      // TensorFlow.js means null by its type.
      state.activeScope = (state.scopeStack[state.scopeStack.length - 1] ?? null) as typeof own;
      for (const tensor of own.track) {
        if (tensor.kept || tensor.isDisposed) continue;
        if (!kept.has(tensor)) tensor.dispose();
        else if (parent !== undefined) {
          tensor.scopeId = parent.id;
          parent.track.push(tensor);
        }
      }
    },
  };
}
