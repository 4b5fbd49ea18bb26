/**
 * `tesserae launch --nodes N -- COMMAND`: the same command N times, as processes that compute together.
 *
 * Each learns from its environment which one it is and where the key-value server is that PJRT meets at; each gets one
 * GPU. Their output is passed on line by line with the process's number in front. When one fails, or somebody presses
 * Ctrl-C, the others are asked to end, and after a while made to.
 */
import { spawn } from 'node:child_process';
import type { ChildProcess } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import { createInterface } from 'node:readline';
import type { Readable } from 'node:stream';
import { KeyValueServer, processVariables } from '@tesserae/xla';
import type { Terminal } from './terminal.ts';
import { UsageError } from './usage-error.ts';

/** Milliseconds between asking a process to end and making it. */
const patience = 15_000;
/** More are a typing error: they would take the machine down. */
const mostNodes = 256;

/** What {@link launch} takes. */
export interface LaunchConfig {
  /** Number of processes. */
  readonly nodes: number;
  /** The program and its arguments. */
  readonly command: readonly string[];
  /** Default {@link patience}. */
  readonly patience?: number;
  /** The environment to pass on; default this process's. */
  readonly env?: Readonly<Record<string, string | undefined>>;
}

/**
 * Runs them.
 *
 * @returns the exit code: 0 if all succeed, 130 after Ctrl-C, otherwise that of the first that failed.
 */
export async function launch(config: LaunchConfig, terminal: Terminal): Promise<number> {
  const { nodes, command, env = process.env } = config;
  const [program, ...words] = command;
  if (!Number.isSafeInteger(nodes) || nodes < 1 || nodes > mostNodes) {
    throw new UsageError(`'--nodes' must be a whole number from 1 to ${mostNodes}, got '${nodes}'.`);
  }
  if (program === undefined || program === '') throw new UsageError('the command is missing. Write it after `--`.');
  const gpus = gpusOf(nodes, env['CUDA_VISIBLE_DEVICES']);
  const token = randomBytes(16).toString('hex');
  await using server = await KeyValueServer.start(token);
  let code: number | undefined;
  const running = new Set<ChildProcess>();
  let forced: NodeJS.Timeout | undefined;
  const end = (signal: NodeJS.Signals): void => {
    signalAll(running, signal);
    forced ??= setTimeout(() => signalAll(running, 'SIGKILL'), config.patience ?? patience);
  };
  // A terminal sends Ctrl-C to all processes of its group by itself; the second one is a child's own business.
  const interrupted = (): void => {
    code ??= 130;
    end('SIGINT');
  };
  const signals = ['SIGINT', 'SIGTERM', 'SIGHUP'] as const;
  for (const signal of signals) process.on(signal, interrupted);
  // Where this process ends unasked, for example because nobody reads its output any more.
  const gone = (): void => signalAll(running, 'SIGTERM');
  process.on('exit', gone);
  try {
    await Promise.all(
      Array.from({ length: nodes }, (_, index) => {
        const child = spawn(program, words, {
          stdio: ['ignore', 'pipe', 'pipe'],
          // A group of its own: the signal comes from here, once, and reaches what the child has started.
          detached: true,
          env: {
            ...env,
            CUDA_VISIBLE_DEVICES: gpus[index],
            [processVariables.index]: String(index),
            [processVariables.count]: String(nodes),
            [processVariables.coordinator]: server.address,
            [processVariables.token]: token,
          },
        });
        running.add(child);
        const ended = (status: number): void => {
          if (status === 0 || code !== undefined) return;
          code = status;
          if (running.size > 1) terminal.err(`[${index}] ended with ${status}; ending the other processes.`);
          end('SIGTERM');
        };
        passOn(child.stdout, (line) => terminal.out(`[${index}] ${line}`));
        passOn(child.stderr, (line) => terminal.err(`[${index}] ${line}`));
        return new Promise<void>((resolve) => {
          const over = (): void => {
            running.delete(child);
            resolve();
          };
          child.once('error', (error) => {
            terminal.err(`[${index}] cannot be started: ${error.message}`);
            ended(127);
            over();
          });
          // What it has started may hold its output open, so its end counts before the output's.
          child.once('exit', (status, signal) => {
            if (signal !== null && code === undefined) terminal.err(`[${index}] was ended by ${signal}`);
            ended(status ?? 1);
          });
          child.once('close', over);
        });
      }),
    );
  } finally {
    clearTimeout(forced);
    for (const signal of signals) process.off(signal, interrupted);
    process.off('exit', gone);
  }
  return code ?? 0;
}

/** The GPU of each process: of those that the variable leaves visible, none if it hides all. */
function gpusOf(nodes: number, visible: string | undefined): string[] {
  if (visible === undefined) return Array.from({ length: nodes }, (_, index) => String(index));
  const listed = visible.split(',').filter((gpu) => gpu !== '');
  if (listed.length === 0) return new Array<string>(nodes).fill('');
  if (listed.length >= nodes) return listed.slice(0, nodes);
  throw new UsageError(
    `'--nodes' is ${nodes}, but CUDA_VISIBLE_DEVICES='${visible}' lists ${listed.length}, and each process needs a GPU of its own. ` +
      `Pass --nodes ${listed.length}, list more, or unset the variable.`,
  );
}

/** Signals children and what they have started. */
function signalAll(children: Iterable<ChildProcess>, signal: NodeJS.Signals): void {
  for (const { pid } of children) {
    if (pid === undefined) continue;
    try {
      process.kill(-pid, signal);
    } catch {
      // All of the group have ended.
    }
  }
}

function passOn(stream: Readable, print: (line: string) => void): void {
  createInterface({ input: stream }).on('line', print);
}
