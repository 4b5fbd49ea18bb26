/**
 * Where nodes come from: the TensorFlow.js kernel and, where it was asked for, the line that called it. Only errors ask.
 *
 * A call stack costs some 10 µs, more than all the rest of tracing an op, so none is taken at first: a function that XLA
 * refuses is traced a second time with call stacks (traced-program.ts).
 */
import { callerLine } from '@tesserae/tensor';
import type { Module } from './graph/write-module.ts';
import type { Node } from './graph/node.ts';
import { DeviceMemoryError, XlaError } from './pjrt/errors.ts';

/** See the file header. */
export class Origin {
  readonly kernel: string;
  readonly #stack: { stack?: string } = {};

  /** `located` keeps the call stack. */
  constructor(kernel: string, located: boolean) {
    this.kernel = kernel;
    if (!located) return;
    const limit = Error.stackTraceLimit;
    Error.stackTraceLimit = 60;
    Error.captureStackTrace(this.#stack, Origin);
    Error.stackTraceLimit = limit;
  }

  toString(): string {
    const where = callerLine(this.#stack.stack);
    return `kernel '${this.kernel}'${where === undefined ? '' : ` called ${where}`}`;
  }
}

/** Gives an origin to the nodes that a lowering made: those behind its outputs without one. */
export function markOrigin(outputs: readonly Node[], origin: Origin): void {
  const open = outputs.filter((node) => node.operation !== undefined && node.origin === undefined);
  for (let node = open.pop(); node !== undefined; node = open.pop()) {
    node.origin = origin;
    for (const input of node.operation?.inputs ?? []) {
      if (input.operation !== undefined && input.origin === undefined) open.push(input);
    }
  }
}

/** The node that a message of XLA is about, where it points into the module. */
export function nodeInQuestion(error: unknown, module: Module): Node | undefined {
  const position = error instanceof XlaError ? /(?:^|\s)-:(\d+):\d+: /.exec(error.detail) : null;
  return position === null ? undefined : module.nodeAt(Number(position[1]));
}

/** The error with the kernel that XLA's message is about, where the message points into the module. */
export function explained(error: unknown, operation: string, module: Module): Error {
  if (error instanceof DeviceMemoryError || !(error instanceof XlaError))
    return error instanceof Error ? error : new Error(String(error));
  const origin = nodeInQuestion(error, module)?.origin;
  const about = origin instanceof Origin ? `${error.detail} (in ${origin.toString()})` : error.detail;
  return new XlaError(operation, about);
}
