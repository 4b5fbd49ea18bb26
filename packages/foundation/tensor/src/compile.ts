/**
 * `compile`: one program for a whole function of tensors.
 *
 * On engines that compile (XLA) the function is traced once for each combination of argument shapes, dtypes and static
 * arguments, and later calls run the program without calling the function again. On the others it is called each time,
 * inside a `tidy`. Both give the same results, so code is written once.
 */
import * as tf from '@tensorflow/tfjs-core';
import { isCompiling } from './backend-contract.ts';
import type { Program } from './backend-contract.ts';
import { consume, donatedLeaves, withClones } from './donation.ts';
import { withoutKey } from './random/ambient.ts';

/** Options of {@link compile}. */
export interface CompileOptions {
  /** Name of the program in errors and dumps; default the function's name. */
  name?: string;
  /**
   * Positions of the arguments that a call uses up: their tensors are disposed by it, on every engine, and results of
   * the same shapes and dtypes take over their memory on engines that compile. For state that goes from call to call.
   * Default none. A call that throws uses up nothing.
   */
  donate?: readonly number[];
}

/** A compiled function. */
export interface Compiled<A extends unknown[], R> {
  (...args: A): R;
  /** How often the function was traced on engines that compile; 0 on the others. */
  readonly traces: number;
  /** Frees the programs. Calling the function again traces it again. */
  dispose(): void;
  [Symbol.dispose](): void;
}

/**
 * Makes `fn` one program.
 *
 * - Arguments and results are trees: nested plain objects and arrays with tensors at the leaves. Other values in the
 *   arguments (numbers, strings, …) are *static*: another value means another trace. What changes with every call, such
 *   as a step or a learning rate, must be a tensor or a `tf.Variable`.
 * - A `tf.Variable` that `fn` reads is an input of the program, and one that it assigns an output that takes over the
 *   old value's memory: a training step updates its parameters in place.
 * - Any other tensor that `fn` captures is a constant of the program and kept alive until `dispose()`.
 * - Side effects of `fn` happen while it is traced, not on every call.
 * - The tensors of the result belong to the caller (or to its `tidy`), as for any op.
 *
 * @throws DonatedTensorError from any use of a tensor that an earlier call used up (`donate`).
 * @throws TraceReadError if `fn` reads a value (`dataSync`, `data`, `array`, …) while it is traced.
 * @throws TypeError if `fn` returns a promise, or a donated argument holds a variable.
 * @throws RangeError if `donate` holds anything but positions.
 *
 * @example
 * const step = compile((x: tf.Tensor) => tf.square(x).sum());
 * const y = step(tf.tensor1d([1, 2, 3])); // traced here
 * step(tf.tensor1d([4, 5, 6])); // not traced again
 */
export function compile<A extends unknown[], R>(fn: (...args: A) => R, options: CompileOptions = {}): Compiled<A, R> {
  const name = options.name ?? (fn.name || 'anonymous');
  const { donate = [] } = options;
  if (!donate.every((index) => Number.isInteger(index) && index >= 0)) {
    throw new RangeError(
      `compile: 'donate' of '${name}' must hold positions of arguments, from 0 on, but got [${donate.join(', ')}].`,
    );
  }
  const programs = new Map<tf.KernelBackend, Program<A, R>>();

  const run = (args: A): R => {
    const backend = tf.backend();
    if (!isCompiling(backend)) return interpret(fn, args, name, donate);
    let program = programs.get(backend);
    if (program === undefined) {
      program = backend.compileFunction(fn, name, donate);
      programs.set(backend, program);
    }
    return program.call(...args);
  };
  const call = (...args: A): R => {
    if (donate.length === 0) return run(args);
    const donated = donatedLeaves(args, donate, name);
    const result = run(args);
    consume(donated, name);
    return result;
  };
  const dispose = (): void => {
    for (const program of programs.values()) program.dispose();
    programs.clear();
  };
  Object.defineProperty(call, 'name', { value: name });
  Object.defineProperty(call, 'traces', {
    get: () => [...programs.values()].reduce((sum, program) => sum + program.traces, 0),
  });
  return Object.assign(call, { dispose, [Symbol.dispose]: dispose }) as unknown as Compiled<A, R>;
}

function interpret<A extends unknown[], R>(fn: (...args: A) => R, args: A, name: string, donate: readonly number[]): R {
  return tf.tidy(name, () => {
    // As in a trace: a function that compiles on one engine must not depend on an outer key on another.
    const result = withoutKey(() => fn(...withClones(args, donate)));
    if (result instanceof Promise) {
      result.catch(() => {});
      throw new TypeError(`compile: '${name}' returned a promise; a compiled function must be synchronous.`);
    }
    return result as tf.TensorContainer;
  }) as R;
}
