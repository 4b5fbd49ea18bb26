/** `npm run conformance`: TensorFlow.js's own test suite on an engine. */
import { writeFileSync } from 'node:fs';
import { help, parseOptions } from './options.ts';
import type { Options } from './options.ts';
import { useSingleTfjs } from './single-tfjs.ts';

process.on('SIGINT', () => process.exit(130));

let options: Options | 'help';
try {
  options = parseOptions(process.argv.slice(2));
} catch (error) {
  process.stderr.write(`${error instanceof Error ? error.message : String(error)}\n\n${help}`);
  process.exit(2);
}
if (options === 'help') {
  process.stdout.write(help);
  process.exit(0);
}
// Everything that loads TensorFlow.js is imported after this.
useSingleTfjs();
const { runConformance } = await import('./run-conformance.ts');
const { lines, exitCode, json } = await runConformance(options, (line) => process.stdout.write(`${line}\n`));
for (const line of lines) process.stdout.write(`${line}\n`);
if (options.json !== undefined) writeFileSync(options.json, `${JSON.stringify(json, undefined, 1)}\n`);
// Native engines may keep the process alive.
process.exit(exitCode);
