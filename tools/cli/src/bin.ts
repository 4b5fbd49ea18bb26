#!/usr/bin/env node
import { run } from './command-line.ts';

process.on('SIGINT', () => process.exit(130));
process.exitCode = await run(process.argv.slice(2));
