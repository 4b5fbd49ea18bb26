/** One command line inside the test's process, with what it printed. */
import { vi } from 'vitest';
import { run } from '../command-line.ts';

/** How a command ended. */
export interface Outcome {
  readonly code: number;
  readonly out: string;
  readonly err: string;
}

/** Runs a command; nothing reaches the terminal. */
export async function silentRun(...words: string[]): Promise<Outcome> {
  const out: string[] = [];
  const err: string[] = [];
  const spies = [
    vi.spyOn(console, 'log').mockImplementation((...line: unknown[]) => void out.push(line.join(' '))),
    vi.spyOn(console, 'error').mockImplementation((...line: unknown[]) => void err.push(line.join(' '))),
    vi.spyOn(process.stdout, 'write').mockImplementation(() => true),
    vi.spyOn(process.stderr, 'write').mockImplementation(() => true),
  ];
  try {
    const code = await run(words);
    return { code, out: out.join('\n'), err: err.join('\n') };
  } finally {
    for (const spy of spies) spy.mockRestore();
  }
}
