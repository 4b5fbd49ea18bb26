/** `npm run peers`: what its words mean. 0 is success, 1 a disagreement or failure, 2 a wrong command line, 130 Ctrl-C. */
import { existsSync } from 'node:fs';
import { writeFile } from 'node:fs/promises';
import { availableParallelism } from 'node:os';
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import { peersOf, type Peer } from './peers.ts';
import type { Device, ProgramEntry } from './program.ts';
import { programs } from './programs.ts';
import { pythonEnvironment } from './python-environment.ts';
import { formatLine, formatReport, thisMachine, type Report } from './report.ts';
import { runCase, type CaseResult } from './run-case.ts';
import { runStart } from './run-start.ts';

/** The text of `--help`. */
const help = `Usage: npm run peers -- cpu|gpu [OPTIONS]

Runs the same programs here and in PyTorch, JAX and TensorFlow.js, interleaved, checks that their results agree, and
prints medians and ratios (our time / the best peer's).

  --only NAME      only programs and cases whose name begins with this; may be given several times
  --peers A,B      only these peers: xla:cpu, xla:cuda, torch, torch.compile, jax, tfjs-node,
                   tfjs-wasm
  --rounds N       turns of each peer (default 6)
  --seconds S      length of a turn (default 0.5); at least one call is made
  --limit S        time limit of a build or turn (default 300)
  --threads N      CPU threads of each peer (default: all)
  --python PROGRAM a Python with torch and jax; by default one is made in the per-user cache, with pinned versions
  --json FILE      writes everything that was measured
  --list           names the programs and cases
  --help           this text
`;

/** Where lines go. */
export interface Output {
  out(line: string): void;
  err(line: string): void;
}

/** Replaces parts of the comparison in tests. */
export interface Parts {
  readonly programs?: readonly ProgramEntry[];
  readonly peers?: readonly Peer[];
}

/** A wrong command line. */
class UsageError extends Error {}

interface Options {
  readonly device: Device;
  readonly only: readonly string[];
  readonly peers: readonly string[] | undefined;
  readonly rounds: number;
  readonly seconds: number;
  readonly limit: number;
  readonly threads: number;
  readonly python: string | undefined;
  readonly json: string | undefined;
  readonly list: boolean;
}

/**
 * Runs one command line.
 *
 * @param words the words after the program's name
 * @returns the exit code
 */
export async function run(
  words: readonly string[],
  output: Output,
  signal: AbortSignal,
  parts: Parts = {},
): Promise<number> {
  try {
    if (words.includes('--help') || words.includes('-h')) {
      output.out(help);
      return 0;
    }
    const options = parse(words);
    const rows = await select(options, parts.programs ?? programs);
    if (options.list) {
      for (const { row } of rows) output.out(`${row.id.padEnd(36)} ${row.title}`);
      return 0;
    }
    const peers = await takePart(options, output, signal, parts.peers);
    const results: CaseResult[] = [];
    for (const { program, row } of rows) {
      if (signal.aborted) break;
      try {
        const one = row.start === undefined ? runCase : runStart;
        const result = await one(program, row, peers, caseOptions(options, output, signal));
        results.push(result);
        output.err(`[peers] ${formatLine(result)}`);
        // After each case: a run that is ended leaves what it has.
        if (options.json !== undefined) await writeReport(options, words, results);
      } catch (error) {
        if (!signal.aborted) throw error;
      }
    }
    output.out(formatReport(await writeReport(options, words, results)));
    if (signal.aborted) return 130;
    return results.some(({ peers }) => Object.values(peers).some(({ error }) => error !== undefined)) ? 1 : 0;
  } catch (error) {
    if (signal.aborted) return 130;
    output.err(`peers: ${error instanceof Error ? error.message : String(error)}`);
    if (!(error instanceof UsageError)) return 1;
    output.err('Run `npm run peers -- --help` for help.');
    return 2;
  }
}

/** Everything so far, also into the file of `--json`. */
async function writeReport(options: Options, words: readonly string[], results: CaseResult[]): Promise<Report> {
  const report: Report = {
    date: new Date().toISOString().slice(0, 16).replace('T', ' '),
    command: `npm run peers -- ${words.join(' ')}`,
    device: options.device,
    machine: thisMachine(options.device),
    results,
  };
  if (options.json !== undefined) await writeFile(options.json, `${JSON.stringify(report, undefined, 1)}\n`);
  return report;
}

function parse(words: readonly string[]): Options {
  let parsed;
  try {
    const text = { type: 'string' } as const;
    parsed = parseArgs({
      args: [...words],
      allowPositionals: true,
      options: {
        only: { type: 'string', multiple: true },
        peers: text,
        rounds: text,
        seconds: text,
        limit: text,
        threads: text,
        python: text,
        json: text,
        list: { type: 'boolean' },
      },
    });
  } catch (error) {
    throw new UsageError((error as Error).message);
  }
  const { values, positionals } = parsed;
  const [device, ...rest] = positionals;
  if ((device !== 'cpu' && device !== 'gpu') || rest.length > 0) {
    throw new UsageError(`one of 'cpu' and 'gpu' was expected, got '${positionals.join(' ')}'.`);
  }
  const number = (name: 'rounds' | 'seconds' | 'limit' | 'threads', fallback: number, whole: boolean): number => {
    const value = values[name] === undefined ? fallback : Number(values[name]);
    if (!(value > 0) || !Number.isFinite(value) || (whole && !Number.isInteger(value))) {
      throw new UsageError(`--${name} must be a ${whole ? 'whole ' : ''}number above 0, got '${values[name]}'.`);
    }
    return value;
  };
  return {
    device,
    only: values.only ?? [],
    peers: values.peers?.split(','),
    rounds: number('rounds', 6, true),
    seconds: number('seconds', 0.5, false),
    limit: number('limit', 300, false),
    threads: number('threads', availableParallelism(), true),
    python: values.python,
    json: values.json,
    list: values.list ?? false,
  };
}

type Row = { readonly program: string; readonly row: Awaited<ReturnType<typeof casesOf>>[number] };

async function casesOf(entry: ProgramEntry, device: Device) {
  return (await entry.load()).program.cases(device);
}

/** The cases that the command line asks for. */
async function select({ device, only }: Options, entries: readonly ProgramEntry[]): Promise<Row[]> {
  const all = (
    await Promise.all(
      entries.map(async (entry) => (await casesOf(entry, device)).map((row) => ({ program: entry.name, row }))),
    )
  ).flat();
  for (const name of only) {
    if (!all.some(({ row }) => row.id.startsWith(name))) {
      throw new UsageError(`--only ${name} fits none of ${all.map(({ row }) => row.id).join(', ')}.`);
    }
  }
  return only.length === 0 ? all : all.filter(({ row }) => only.some((name) => row.id.startsWith(name)));
}

/** The peers that the command line asks for; without Python, those that need none. */
async function takePart(
  options: Options,
  output: Output,
  signal: AbortSignal,
  given: readonly Peer[] | undefined,
): Promise<readonly Peer[]> {
  const { device, peers: wanted } = options;
  const choose = (peers: readonly Peer[]): readonly Peer[] => {
    const unknown = wanted?.find((name) => !peers.some((peer) => peer.name === name));
    if (unknown !== undefined) {
      throw new UsageError(`--peers ${unknown}: there are ${peers.map(({ name }) => name).join(', ')}.`);
    }
    return wanted === undefined ? peers : peers.filter(({ name }) => wanted.includes(name));
  };
  if (given !== undefined) return choose(given);
  const pythonFolder = findPythonFolder();
  let python: string | undefined = options.python ?? 'python3';
  const all = choose(peersOf({ device, python, pythonFolder }));
  if (options.python === undefined && all.some(({ python }) => python)) {
    try {
      const progress = (line: string): void => output.err(`[peers] ${line}`);
      python = await pythonEnvironment({ folder: pythonFolder, base: 'python3', signal, progress });
    } catch (error) {
      signal.throwIfAborted();
      output.err(`[peers] going on without PyTorch and JAX: ${(error as Error).message}`);
      python = undefined;
    }
  }
  const chosen = peersOf({ device, python, pythonFolder });
  return chosen.filter(({ name }) => all.some((peer) => peer.name === name));
}

/** `python` beside `src`, or beside the bundle. */
function findPythonFolder(): string {
  const here = import.meta.dirname;
  return (
    [join(here, '..', 'python'), join(here, 'python')].find((folder) => existsSync(folder)) ?? join(here, 'python')
  );
}

function caseOptions(options: Options, output: Output, signal: AbortSignal): Parameters<typeof runCase>[3] {
  const { device, threads, rounds, seconds, limit } = options;
  const progress = (line: string): void => output.err(`[peers] ${line}`);
  return { device, threads, rounds, turnSeconds: seconds, limitSeconds: limit, signal, progress };
}
