/**
 * The ambient key: where initialisers and dropout draw from, so that no layer passes keys around by hand.
 *
 * `withKey(key, fn)` opens a scope for the synchronous `fn`; inside it, the n-th call of `next()` is `foldIn(key, n)`.
 * Scopes nest. Outside a scope `next()` is an error: there is no hidden global seed.
 */
import { checkKey, foldIn } from './key.ts';
import type { Key } from './key.ts';

const scopes: { key: Key; drawn: number }[] = [];

/**
 * Runs `fn` with an ambient key and returns its result.
 *
 * @throws TypeError if `fn` returns a promise: after an `await` the scope would be closed.
 */
export function withKey<R>(key: Key, fn: () => R): R {
  checkKey(key, 'withKey');
  scopes.push({ key, drawn: 0 });
  try {
    const result = fn();
    if (result instanceof Promise) {
      result.catch(() => {});
      throw new TypeError(
        "random.withKey: 'fn' returned a promise, but the scope ends when it returns. Await first, and call withKey around the synchronous part.",
      );
    }
    return result;
  } finally {
    scopes.pop();
  }
}

/**
 * The next key of the innermost scope. The caller owns it (or its `tidy` does).
 *
 * @throws Error outside of `withKey`.
 */
export function next(): Key {
  const scope = scopes[scopes.length - 1];
  if (scope === undefined) {
    throw new Error(
      'random.next: there is no ambient key. Build modules and run training-mode layers inside random.withKey(random.key(seed), () => …).',
    );
  }
  return foldIn(scope.key, scope.drawn++);
}

/** Whether `next` can be called here. */
export function hasKey(): boolean {
  return scopes.length > 0;
}

/** Runs `fn` as if no scope were open. Tracing does this: a key from outside would be frozen into the program. */
export function withoutKey<R>(fn: () => R): R {
  const hidden = scopes.splice(0);
  try {
    return fn();
  } finally {
    scopes.splice(0, scopes.length, ...hidden);
  }
}
