/**
 * What a step of `scan` returns, checked, so that every engine refuses the same mistakes.
 *
 * A number in the carry would count on where steps run one by one and stand still where one step is recorded.
 */
import * as tf from '@tensorflow/tfjs-core';
import { leaves } from '../tree.ts';
import { describe } from './check.ts';
import type { ScanStep } from './scan.ts';

/**
 * The step with its result checked.
 *
 * @throws TypeError if `step` is no function; from the step, if it returns something else than a carry like `init` and an
 * output, of tensors that are not disposed.
 */
export function checkedStep<Carry, X, Output>(
  step: ScanStep<Carry, X, Output>,
  init: Carry,
): ScanStep<Carry, X, Output> {
  if (typeof step !== 'function') {
    throw new TypeError(`scan: 'step' must be a function, but got ${describe(step)}.`);
  }
  return (carry, x) => {
    const result: unknown = step(carry, x);
    if (typeof result !== 'object' || result === null || !('carry' in result) || !('output' in result)) {
      const got = result instanceof Promise ? 'a promise; it cannot wait' : describe(result);
      throw new TypeError(`scan: 'step' must return { carry, output }, but got ${got}.`);
    }
    const next = checkedLike(init, result.carry, '') as Carry;
    const gone = leaves(result).find((leaf) => leaf.isDisposed);
    if (gone !== undefined) {
      throw new TypeError(
        `scan: 'step' returned a tensor that is disposed already, ${describe(gone)}. Do not dispose what is returned; scan frees the rest.`,
      );
    }
    return { carry: next, output: result.output as Output };
  };
}

/** `received` with its keys in the order of `expected`: trees are taken apart in that order. */
function checkedLike(expected: unknown, received: unknown, path: string): unknown {
  const fail = (advice = ''): never => {
    const at = path === '' ? 'at the top' : `at '${path}'`;
    throw new TypeError(
      `scan: 'step' must return a carry like 'init': ${at} ${value(expected)}, but got ${value(received)}.${advice}`,
    );
  };
  if (expected instanceof tf.Tensor || received instanceof tf.Tensor) {
    if (!(expected instanceof tf.Tensor && received instanceof tf.Tensor)) return fail();
    const [a, b] = [expected as tf.Tensor, received as tf.Tensor];
    return a.dtype === b.dtype && tf.util.arraysEqual(a.shape, b.shape) ? b : fail();
  }
  if (isTree(expected) && isTree(received) && Array.isArray(expected) === Array.isArray(received)) {
    const keys = [...new Set([...Object.keys(expected), ...Object.keys(received)])];
    const below = keys.map((key): [string, unknown] => [
      key,
      checkedLike(expected[key], received[key], path === '' ? key : `${path}.${key}`),
    ]);
    return Array.isArray(expected) ? below.map(([, child]) => child) : Object.fromEntries(below);
  }
  if (Object.is(expected, received)) return received;
  return fail(typeof received === 'number' ? ' Carry what changes as tensors.' : '');
}

/** Plain objects and arrays: what a tree is walked into. */
function isTree(x: unknown): x is Readonly<Record<string, unknown>> {
  if (typeof x !== 'object' || x === null) return false;
  const prototype: unknown = Object.getPrototypeOf(x);
  return Array.isArray(x) || prototype === Object.prototype || prototype === null;
}

const value = (x: unknown): string =>
  x === undefined || x instanceof tf.Tensor || x === null
    ? describe(x)
    : typeof x === 'number'
      ? `the number ${x}`
      : `a value of type ${Array.isArray(x) ? 'array' : typeof x}`;
