/**
 * What is remembered of a program that has run, for the errors of its results: a program that finds no room while it runs
 * fails when a result is read, and by then its graph is gone.
 */
import { sizeOf } from './graph/node.ts';
import type { TensorType } from './graph/node.ts';
import type { Module } from './graph/write-module.ts';
import { elementBytes } from './pjrt/element-type.ts';
import type { ElementType } from './pjrt/element-type.ts';
import { DeviceMemoryError, byteText } from './pjrt/errors.ts';

/** See the file header. */
export interface ProgramNote {
  /** For example `running 'step'`. */
  readonly operation: string;
  /** The value that would take the most memory if it were not fused away. */
  readonly largest: LargestValue | undefined;
  /** Bytes of its results. */
  readonly resultBytes: number;
  /** Names of variables whose old values it takes over: they are gone if it fails. */
  readonly assigned: readonly string[];
}

interface LargestValue {
  readonly bytes: number;
  readonly type: ElementType;
  readonly shape: readonly number[];
  readonly origin: { toString(): string } | undefined;
}

/** The note of a module with these results; keeps none of its nodes. */
export function noteOf(
  operation: string,
  module: Module,
  results: readonly TensorType[],
  assigned: readonly string[] = [],
): ProgramNote {
  let largest: LargestValue | undefined;
  for (const { type, shape, origin } of module.nodes) {
    const bytes = bytesOf({ type, shape });
    if (largest === undefined || bytes > largest.bytes) largest = { bytes, type, shape, origin };
  }
  return { operation, largest, resultBytes: results.reduce((sum, result) => sum + bytesOf(result), 0), assigned };
}

const bytesOf = ({ type, shape }: TensorType): number => sizeOf(shape) * elementBytes(type);

/**
 * A memory error with what the note says of the program; other errors as they are.
 *
 * @param caller the line that called the program, if it failed at once; without it, the error came with a result
 */
export function noted(error: unknown, note: ProgramNote | undefined, caller?: string): unknown {
  if (!(error instanceof DeviceMemoryError) || note === undefined) return error;
  const { operation, largest, resultBytes, assigned } = note;
  // The results of another program were this one's arguments.
  if (error.detail.startsWith('Error dispatching')) {
    return error.within(operation, `A program before it found no room, and ${operation} needs its results.`);
  }
  const sentences: string[] = [];
  if (largest !== undefined) {
    const by = largest.origin === undefined ? '' : `, made by ${largest.origin.toString()}`;
    const shape = `${largest.type} [${largest.shape.join(', ')}]`;
    sentences.push(`The largest value of the program is ${shape} of ${byteText(largest.bytes)}${by}.`);
  }
  if (caller !== undefined) return error.within(`${operation} (called ${caller})`, sentences.join(' '));
  if (assigned.length > 0) sentences.push(lost(assigned));
  return error.within(operation, sentences.join(' '), resultBytes);
}

function lost(names: readonly string[]): string {
  const some = names.slice(0, 3).map((name) => `'${name}'`);
  const more = names.length > some.length ? ` and ${names.length - some.length} others` : '';
  return `The values of the variables that it assigned are lost (${some.join(', ')}${more}): load or assign them again.`;
}
