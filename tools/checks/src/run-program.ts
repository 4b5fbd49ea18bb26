/** Runs a program to its end, within a time limit. */
import { spawn } from 'node:child_process';

/** How a program ended. */
export interface Outcome {
  /** Its exit code; undefined if it ran past its time and was ended. */
  readonly code: number | undefined;
  /** What it printed, standard output and error together. */
  readonly output: string;
}

/**
 * Runs a program.
 *
 * @param words the program and its arguments
 * @param options.seconds its time limit
 * @param options.env variables beside the process's own
 */
export function runProgram(
  words: readonly [string, ...string[]],
  options: { cwd: string; seconds: number; env?: Record<string, string> },
): Promise<Outcome> {
  const [program, ...rest] = words;
  const inherited = { ...process.env };
  // A test runner's own settings are not the program's, and `npm run` hands its script's settings down.
  for (const name of Object.keys(inherited)) {
    if (/^(VITEST|NODE_OPTIONS$|NODE_ENV$|npm_(lifecycle|package|command))/.test(name)) delete inherited[name];
  }
  return new Promise((resolve, reject) => {
    const child = spawn(program, rest, {
      cwd: options.cwd,
      env: { ...inherited, ...options.env },
      stdio: ['ignore', 'pipe', 'pipe'],
    });
    let output = '';
    let late = false;
    const timer = setTimeout(() => {
      late = true;
      child.kill('SIGKILL');
    }, options.seconds * 1000);
    child.stdout.on('data', (chunk: Buffer) => (output += chunk.toString()));
    child.stderr.on('data', (chunk: Buffer) => (output += chunk.toString()));
    child.on('error', (error) => {
      clearTimeout(timer);
      reject(error);
    });
    child.on('close', (code) => {
      clearTimeout(timer);
      resolve({
        code: late ? undefined : (code ?? 1),
        output: late ? `${output}\n(ended after ${options.seconds} s)` : output,
      });
    });
  });
}
