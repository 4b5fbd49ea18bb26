/**
 * The precision that matrix products and convolutions compute with, as a scope.
 *
 * `float32` is exact to float32's rounding; `tf32` rounds the inputs of products to 10 bits of mantissa on hardware
 * that has it; `bfloat16` to 7, and on XLA the activations between two products of a compiled function are then stored
 * in bfloat16 too where that loses nothing more. Parameters and results stay float32. Engines that know no other
 * precision (`cpu`, `wasm`) compute in float32 whatever is asked. Quantizer distances, normalisation, softmax, losses
 * and optimizers compute in float32 whatever the scope.
 *
 * The gradient of an op runs at the precision that the op ran at, although it runs later.
 */
import * as tf from '@tensorflow/tfjs-core';

/** Compute precision of matrix products and convolutions. */
export type Precision = 'float32' | 'tf32' | 'bfloat16';

const known: readonly string[] = ['float32', 'tf32', 'bfloat16'] satisfies Precision[];

/** What the engine in use computes with where no scope says otherwise. */
let engineDefault: Precision = 'float32';

let scoped: Precision | undefined;

/**
 * The precision of the innermost scope; outside of any, that of the engine (`'tf32'` on a GPU, else `'float32'`; see
 * `useEngine`). Engines read it when a kernel is called.
 */
export function currentPrecision(): Precision {
  return scoped ?? engineDefault;
}

/** Sets what holds outside of scopes; for `useEngine`. */
export function setEnginePrecision(precision: Precision): void {
  engineDefault = checked('useEngine', precision);
}

function checked(operation: string, precision: Precision): Precision {
  if (known.includes(precision)) return precision;
  throw new RangeError(`${operation}: 'precision' must be one of ${known.join(', ')}, but got '${precision}'.`);
}

function at<R>(precision: Precision, fn: () => R): R {
  const before = scoped;
  scoped = precision;
  try {
    return fn();
  } finally {
    scoped = before;
  }
}

/**
 * Runs the synchronous `fn` at a precision.
 *
 * @throws RangeError for an unknown precision; TypeError if `fn` returns a promise.
 */
export function withPrecision<R>(precision: Precision, fn: () => R): R {
  checked('withPrecision', precision);
  const tape = tf.engine().state.activeTape;
  const start = tape?.length ?? 0;
  const result = at(precision, fn);
  if (result instanceof Promise) {
    result.catch(() => {});
    throw new TypeError(
      "withPrecision: 'fn' returned a promise, but the scope ends when it returns. Await outside of it.",
    );
  }
  // Inside a gradient: what was put on the tape computes its gradients at this precision too. Nodes that an inner
  // scope wrapped keep theirs, since that wrapper is the inner one.
  for (const node of tape?.slice(start) ?? []) {
    const { gradient } = node;
    if (gradient == null) continue;
    node.gradient = (dys) => {
      const thunks = at(precision, () => gradient(dys));
      return Object.fromEntries(Object.entries(thunks).map(([name, thunk]) => [name, () => at(precision, thunk)]));
    };
  }
  return result;
}
