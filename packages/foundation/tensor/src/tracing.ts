/**
 * Whether a function is being traced: its tensors have shapes but no values yet.
 *
 * Engines that compile run the function inside `runTrace`; everyone else only asks `isTracing()`, for instance to skip
 * a check of values that cannot be read in a trace.
 */
import { withoutKey } from './random/ambient.ts';

/** Thrown when a value is read while a compiled function is being traced. */
export class TraceReadError extends Error {
  override readonly name = 'TraceReadError';

  /** @param read what was called, for example `tensor.dataSync()`. */
  constructor(read: string, where?: string) {
    super(
      `compile: ${read} was called while the function is traced${where === undefined ? '' : ` (${where})`}; there are no values yet. ` +
        'Return the tensor and read it after the call, or branch with tf.where on the device.',
    );
  }
}

let depth = 0;

/** True inside a function that `compile` is tracing. */
export function isTracing(): boolean {
  return depth > 0;
}

/**
 * For engines: marks `fn` as being traced. The ambient random key is hidden meanwhile, since a key that the trace
 * captured silently would give the same numbers in every later call.
 */
export function runTrace<R>(fn: () => R): R {
  depth++;
  try {
    return withoutKey(fn);
  } finally {
    depth--;
  }
}
