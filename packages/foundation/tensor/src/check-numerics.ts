/**
 * A debugging scope that stops at the first op which makes a number that is none.
 *
 * An op is to blame if its result has a NaN and none of its inputs has, or an infinity and all of its inputs are finite.
 * So a mask of −∞ may be added and go through a softmax. Values from outside of the scope count as free of NaN: an op that
 * takes one in is named. Ops without inputs (`tf.fill` with −∞) are taken to mean it.
 *
 * Eager ops are read one by one, on any engine. Inside `compile` the program itself carries the checks of all its ops as
 * one more result; such a program is traced apart from the one without checks.
 */
import * as tf from '@tensorflow/tfjs-core';
import { callerLine } from './caller-line.ts';
import { inScope } from './in-scope.ts';
import { isTracing } from './tracing.ts';

/** An op made NaN or an infinity. */
export class NumericsError extends Error {
  override readonly name = 'NumericsError';
  /** The TensorFlow.js kernel of the op. */
  readonly kernel: string;

  /** `origin` is the kernel with the line that called it; `where` the compiled function, if it was in one. */
  constructor(kernel: string, origin: string, found: 'NaN' | 'an infinity' | 'NaN or an infinity', where = '') {
    super(
      `checkNumerics: ${origin}${where} made ${found} of inputs that had none. ` +
        'Look for a logarithm, root or division of zero, an exponential of a large number, or a NaN in the data.',
    );
    this.kernel = kernel;
  }
}

let depth = 0;

/** Whether ops are being checked; engines that compile ask while they trace. */
export function checksNumerics(): boolean {
  return depth > 0;
}

interface Flags {
  readonly nan: boolean;
  readonly infinite: boolean;
}

type RunKernel = ReturnType<typeof tf.engine>['runKernel'];

/**
 * Runs `fn` with the result of every op checked. Slow: for finding where a NaN comes from, not for training.
 *
 * @param fn may return a promise: then ops are checked until it is settled
 * @returns what `fn` returns
 * @throws NumericsError that names the first op with a NaN or an infinity that its inputs did not have, and its line
 *
 * @example
 * checkNumerics(() => step(batch)); // checkNumerics: kernel 'Log' called at train.ts:12:20 in 'step' made NaN …
 */
export function checkNumerics<R>(fn: () => R): R {
  return inScope(enter(), fn);
}

function enter(): () => void {
  const engine = tf.engine() as { runKernel: RunKernel };
  if (depth++ > 0) return () => void depth--;
  const original = engine.runKernel;
  const known = new WeakMap<object, Flags>();
  let reading = false;
  const run: RunKernel = function <T extends tf.Tensor | tf.Tensor[]>(
    kernel: string,
    inputs: tf.NamedTensorMap,
    attrs?: tf.NamedAttrMap,
  ): T {
    const result = original.call(engine, kernel, inputs, attrs) as T;
    if (reading || isTracing()) return result;
    reading = true;
    try {
      check(kernel, inputs, Array.isArray(result) ? result : [result], known);
    } finally {
      reading = false;
    }
    return result;
  };
  engine.runKernel = run;
  return () => {
    depth--;
    engine.runKernel = original;
  };
}

function check(kernel: string, inputs: object, results: readonly tf.Tensor[], known: WeakMap<object, Flags>): void {
  const taken = (Object.values(inputs) as (tf.Tensor | tf.Tensor[] | undefined)[]).flat();
  const given = taken.filter((value) => value instanceof tf.Tensor);
  for (const result of results) {
    const flags = flagsOf(result);
    known.set(result.dataId, flags);
    if (given.length === 0 || (!flags.nan && !flags.infinite)) continue;
    const before = given.map((input) => known.get(input.dataId) ?? { ...flagsOf(input), nan: false });
    const nan = flags.nan && !before.some((input) => input.nan);
    const infinite = flags.infinite && !before.some((input) => input.nan || input.infinite);
    if (!nan && !infinite) continue;
    const line = callerLine(new Error().stack);
    const origin = `kernel '${kernel}'${line === undefined ? '' : ` called ${line}`}`;
    throw new NumericsError(kernel, origin, nan ? 'NaN' : 'an infinity');
  }
}

function flagsOf(tensor: tf.Tensor): Flags {
  if (tensor.dtype !== 'float32' && tensor.dtype !== 'complex64') return { nan: false, infinite: false };
  let [nan, infinite] = [false, false];
  for (const value of tensor.dataSync() as Float32Array) {
    if (Number.isNaN(value)) nan = true;
    else if (!Number.isFinite(value)) infinite = true;
  }
  return { nan, infinite };
}
