/**
 * What a program of the comparison is: the cases that it is timed in, and our way of building one.
 *
 * The peers' versions lie in `python/programs` under the same name and read the same parameters, so a size stands once,
 * here. Inputs and initial weights follow a rule that both sides compute: `inputs.ts` and `python/inputs.py`.
 */
import type { tf } from '@tesserae/tensor';

/** A tensor, or several whose last one is done when all are. */
export type Result = tf.Tensor | readonly tf.Tensor[];

/** Where a comparison runs. */
export type Device = 'cpu' | 'gpu';

/** Sizes and settings of a case; plain JSON, also given to the peers. */
export type Params = Readonly<Record<string, number | string | boolean>>;

/** One row of the table. */
export interface Case {
  /** Unique over all programs: `gpt-step.bfloat16`. */
  readonly id: string;
  /** What is computed, with sizes. */
  readonly title: string;
  readonly params: Params;
  /**
   * How far results may lie from the reference peer's: the largest difference over the largest value, or with
   * `compare: 'indices'` the share of indices that differ.
   */
  readonly tolerance: number;
  /** Default `values`. */
  readonly compare?: 'values' | 'indices';
  /** Operations in one call: the time is given per operation. Default 1. */
  readonly operations?: number;
  /** Times whole processes up to their first call, with caches of compiled programs empty or filled. Default: calls. */
  readonly start?: 'cold' | 'warm';
  /** Things that one call makes, for a rate beside the time. */
  readonly makes?: { readonly count: number; readonly unit: string };
}

/** A program that is ready to run. */
export interface Built {
  /** One call. Returns what the caller compares, waits for and disposes: a training step's loss, a result. */
  step(): Result | Promise<Result>;
}

/** A program: one file in `programs`, one line in `programs.ts`. */
export interface Program {
  /** The cases of a device. */
  cases(device: Device): readonly Case[];
  /** Builds a case on the engine in use. */
  build(params: Params): Built | Promise<Built>;
}

/** Where a program's own file is. */
export interface ProgramEntry {
  /** Its name on the command line, and its file's on both sides (with `_` for `-` in Python). */
  readonly name: string;
  /** Loads the file. */
  load(): Promise<{ readonly program: Program }>;
}

/** A number among the parameters. */
export function number(params: Params, name: string): number {
  const value = params[name];
  if (typeof value !== 'number') throw new TypeError(`peers: parameter '${name}' must be a number, got ${value}.`);
  return value;
}
