/**
 * What an engine package gives to `useEngine`. `tensor` never imports an engine; the program passes the providers that
 * it wants, so a browser bundle holds no FFI and a model package pulls no engine.
 */
import type * as tf from '@tensorflow/tfjs-core';
import type { Precision } from './precision.ts';

/** Whether an engine can run here: a line about it, or why not and the one thing that fixes it. */
export type EngineProbe =
  | { readonly available: true; readonly detail: string }
  | { readonly available: false; readonly reason: string; readonly remedy: string };

/** A family of engines, such as `xla` with `xla:cuda` and `xla:cpu`. */
export interface EngineProvider {
  /** The part of the name before the colon. */
  readonly family: string;
  /** Full names, the preferred one first. */
  readonly names: readonly string[];
  /** Looks, without starting anything that holds memory. Must not throw. */
  probe(name: string): Promise<EngineProbe>;
  /** What products compute with where no `withPrecision` says otherwise; default `'float32'`. */
  precision?(name: string): Precision;
  /** Starts the engine and registers its kernels under `name`; the backend is registered by `useEngine`. */
  start(name: string): Promise<tf.KernelBackend>;
}
