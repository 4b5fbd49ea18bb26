/**
 * What the comparison and its workers say to each other: lines of JSON, requests on the worker's standard input, answers
 * on its descriptor 3. `python/worker.py` speaks the same.
 */
import type { Device, Params } from '../program.ts';

/** What a worker is started for. */
export interface Task {
  /** The peer's name; ours are names of engines. */
  readonly peer: string;
  readonly program: string;
  readonly params: Params;
  readonly device: Device;
  /** CPU threads that a peer may use. */
  readonly threads: number;
}

/**
 * Starts the peer (imports, device); builds the program and makes `checks` calls whose results are returned in part; times
 * calls for a while.
 */
export type Request =
  | { readonly do: 'start' }
  | { readonly do: 'build'; readonly checks: number }
  | { readonly do: 'time'; readonly seconds: number; readonly calls: number };

/** Answer to `start`. */
export interface StartAnswer {
  /** Of the peer and what it computes with. */
  readonly version: string;
}

/** Answer to `build`. */
export interface BuildAnswer {
  /** For each call at most 4,096 values of each tensor of its result, evenly spread. */
  readonly values: readonly (readonly number[])[];
  /** From the start of the build to the end of the last of these calls. */
  readonly seconds: number;
}

/** Answer to `time`: milliseconds of a call, one figure for each batch of `calls`. */
export interface TimeAnswer {
  readonly times: readonly number[];
}

/** Any answer. */
export type Answer = StartAnswer | BuildAnswer | TimeAnswer | { readonly missing: string } | { readonly error: string };

/** A peer lacks a program or cannot run here; the message says why. */
export class MissingError extends Error {
  override readonly name = 'MissingError';
}
