#!/usr/bin/env node
import { run } from './command-line.ts';

process.on('SIGINT', () => {
  // `launch` has a listener of its own, which ends its processes first.
  if (process.listenerCount('SIGINT') === 1) process.exit(130);
});
process.exitCode = await run(process.argv.slice(2));
