/** The `tesserae` command as a function, for programs that embed it. */
export { run } from './command-line.ts';
export type { Terminal } from './terminal.ts';
