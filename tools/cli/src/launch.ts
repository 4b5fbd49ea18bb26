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
  if (!Number.isSafeInteger(nodes) || nodes < 1) {
    throw new UsageError(`'--nodes' must be a whole number of at least 1, got '${nodes}'.`);
  }
  if (program === undefined) throw new UsageError('the command is missing. Write it after `--`.');
  const token = randomBytes(16).toString('hex');
  await using server = await KeyValueServer.start(token);
  const visible = (env['CUDA_VISIBLE_DEVICES'] ?? '').split(',').filter((device) => device !== '');
  let code: number | undefined;
  const running = new Set<ChildProcess>();
  let forced: NodeJS.Timeout | undefined;
  const end = (signal: NodeJS.Signals): void => {
    for (const child of running) child.kill(signal);
    forced ??= setTimeout(() => {
      for (const child of running) child.kill('SIGKILL');
    }, config.patience ?? patience);
  };
  // A terminal sends Ctrl-C to all processes of its group by itself; the second one is a child's own business.
  const interrupted = (): void => {
    code ??= 130;
    end('SIGINT');
  };
  process.on('SIGINT', interrupted);
  process.on('SIGTERM', interrupted);
  try {
    await Promise.all(
      Array.from({ length: nodes }, async (_, index) => {
        const child = spawn(program, words, {
          stdio: ['ignore', 'pipe', 'pipe'],
          // A group of its own: the signal comes from here, once.
          detached: true,
          env: {
            ...env,
            CUDA_VISIBLE_DEVICES: visible[index] ?? String(index),
            [processVariables.index]: String(index),
            [processVariables.count]: String(nodes),
            [processVariables.coordinator]: server.address,
            [processVariables.token]: token,
          },
        });
        running.add(child);
        const outcome = new Promise<number>((resolve) => {
          child.once('error', (error) => {
            terminal.err(`[${index}] cannot be started: ${error.message}`);
            resolve(127);
          });
          child.once('close', (status, signal) => {
            if (signal !== null && code === undefined) terminal.err(`[${index}] was ended by ${signal}`);
            resolve(status ?? 1);
          });
        });
        passOn(child.stdout, (line) => terminal.out(`[${index}] ${line}`));
        passOn(child.stderr, (line) => terminal.err(`[${index}] ${line}`));
        const status = await outcome;
        running.delete(child);
        if (status !== 0 && code === undefined) {
          code = status;
          if (running.size > 0) terminal.err(`[${index}] ended with ${status}; ending the other processes.`);
          end('SIGTERM');
        }
      }),
    );
  } finally {
    clearTimeout(forced);
    process.off('SIGINT', interrupted);
    process.off('SIGTERM', interrupted);
  }
  return code ?? 0;
}

function passOn(stream: Readable, print: (line: string) => void): void {
  createInterface({ input: stream }).on('line', print);
}
