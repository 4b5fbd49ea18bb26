/** Where a command prints, so that tests can listen. */
export interface Terminal {
  /** One line of the result, to standard output. */
  out(line: string): void;
  /** One line about progress or trouble, to standard error. */
  err(line: string): void;
}

/** The process's own streams. */
export const terminal: Terminal = {
  out: (line) => void process.stdout.write(`${line}\n`),
  err: (line) => void process.stderr.write(`${line}\n`),
};
