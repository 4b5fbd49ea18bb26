#!/usr/bin/env node
/** The command `npm run peers`, and the process of a worker. */
import { run } from './command-line.ts';
import { programs } from './programs.ts';
import type { Task } from './worker/protocol.ts';

const [first, ...rest] = process.argv.slice(2);
if (first === 'worker') {
  // Loaded only here: the comparison itself computes nothing.
  const { serve } = await import('./worker/serve.ts');
  await serve(JSON.parse(rest[0] as string) as Task, programs);
} else {
  const interrupt = new AbortController();
  for (const name of ['SIGINT', 'SIGTERM'] as const) process.on(name, () => interrupt.abort());
  const output = {
    out: (line: string): void => void process.stdout.write(`${line}\n`),
    err: (line: string): void => void process.stderr.write(`${line}\n`),
  };
  process.exitCode = await run(process.argv.slice(2), output, interrupt.signal);
}
