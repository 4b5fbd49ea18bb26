/** The command line of the conformance run. */
import { parseArgs } from 'node:util';

/** Engines that the suite can be run on. */
export const engines = ['xla:cpu', 'xla:cuda', 'wasm', 'cpu', 'tensorflow'] as const;
/** See {@link engines}. */
export type EngineName = (typeof engines)[number];

/** Whose gradient rules are registered while the specs run. */
export type GradientRules = 'tfjs' | 'tesserae';

/** What is run, and how. */
export interface Options {
  readonly engine: EngineName;
  /** Only specs whose full name contains this. */
  readonly filter: string | undefined;
  /** XLA only: when recorded kernels are computed. */
  readonly flush: 'reads' | 'each';
  readonly gradients: GradientRules;
  /** Which part of the suites, counted from 1, of how many. */
  readonly shard: { readonly index: number; readonly count: number };
  /** XLA only: compile as a user's program is, rather than quickly. */
  readonly optimize: boolean;
  /** Seconds after which no further spec is started. */
  readonly limit: number | undefined;
  /** File for the results. */
  readonly json: string | undefined;
}

/** What `--help` prints. */
export const help: string = `Usage: npm run conformance -- --engine NAME [OPTIONS]

Runs the test suite of TensorFlow.js itself (about 4,230 specs, inside the npm package of tfjs-core) on an engine. Exits
with 1 on a failure that tools/conformance/src/known-failures.ts does not list, or that it lists and that passes.

  --engine NAME      ${engines.join(', ')}
  --filter TEXT      only specs whose full name contains TEXT
  --gradients WHOSE  tfjs (default): TensorFlow.js's own gradient rules, as its suite is meant to be run;
                     tesserae: the rules of @tesserae/tensor
  --flush WHEN       XLA: reads (default) computes when a value is read; each computes after every op
  --optimize         XLA: compile with all optimisations; the default compiles quickly
  --shard I/N        only the I-th of N parts, counted from 1
  --limit SECONDS    start no further spec after this time (the rest counts as not run)
  --json FILE        also write the results as JSON
`;

/**
 * Reads the words after the command.
 *
 * @throws Error that names the option, what it takes and what came.
 */
export function parseOptions(words: readonly string[]): Options | 'help' {
  const { values } = parseArgs({
    args: [...words],
    options: {
      engine: { type: 'string' },
      filter: { type: 'string' },
      flush: { type: 'string', default: 'reads' },
      gradients: { type: 'string', default: 'tfjs' },
      shard: { type: 'string', default: '1/1' },
      optimize: { type: 'boolean', default: false },
      limit: { type: 'string' },
      json: { type: 'string' },
      help: { type: 'boolean', short: 'h', default: false },
    },
  });
  if (values.help) return 'help';
  const [, index, count] = /^(\d+)\/(\d+)$/.exec(values.shard)?.map(Number) ?? [];
  if (index === undefined || count === undefined || index < 1 || index > count) {
    throw new Error(`--shard: expected I/N with 1 <= I <= N, such as 2/4, received '${values.shard}'.`);
  }
  const limit = values.limit === undefined ? undefined : Number(values.limit);
  if (limit !== undefined && !(limit > 0))
    throw new Error(`--limit: expected a number of seconds, received '${values.limit}'.`);
  return {
    engine: oneOf('engine', values.engine, engines),
    flush: oneOf('flush', values.flush, ['reads', 'each'] as const),
    gradients: oneOf('gradients', values.gradients, ['tfjs', 'tesserae'] as const),
    filter: values.filter,
    shard: { index, count },
    optimize: values.optimize,
    limit,
    json: values.json,
  };
}

function oneOf<T extends string>(name: string, value: string | undefined, known: readonly T[]): T {
  const found = known.find((candidate) => candidate === value);
  if (found === undefined)
    throw new Error(
      `--${name}: expected one of ${known.join(', ')}, received ${value === undefined ? 'nothing' : `'${value}'`}.`,
    );
  return found;
}
