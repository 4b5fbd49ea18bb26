/**
 * Where nodes come from: the TensorFlow.js kernel and, for nodes of a trace, the line that called it. Only errors ask.
 */
import type { Module } from './graph/write-module.ts';
import type { Node } from './graph/node.ts';
import { XlaError } from './pjrt/errors.ts';

/** See the file header. */
export class Origin {
  readonly kernel: string;
  readonly #stack: { stack?: string } = {};

  /** `traced` keeps the call stack, which costs microseconds: a trace runs once. */
  constructor(kernel: string, traced: boolean) {
    this.kernel = kernel;
    if (!traced) return;
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

/** The first line of a call stack that is not TensorFlow.js, @tesserae/tensor or this engine. */
export function callerLine(stack: string | undefined): string | undefined {
  const own = /tfjs-|tf-core|tf-backend|(xla|tensor)[\\/](src|dist)[\\/](?!.*\.test\.)|node:/;
  return stack
    ?.split('\n')
    .find((line) => /^\s*at /.test(line) && !own.test(line))
    ?.trim();
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

/** The error with the kernel that XLA's message is about, where the message points into the module. */
export function explained(error: unknown, operation: string, module: Module): Error {
  if (!(error instanceof XlaError)) return error instanceof Error ? error : new Error(String(error));
  const position = /(?:^|\s)-:(\d+):\d+: /.exec(error.detail);
  const origin = position === null ? undefined : module.nodeAt(Number(position[1]))?.origin;
  const about = origin instanceof Origin ? `${error.detail} (in ${origin.toString()})` : error.detail;
  return new XlaError(operation, about);
}
