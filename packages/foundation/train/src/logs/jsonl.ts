/** A log of one JSON object a line: what every other tool reads. */
import { appendFileSync, existsSync, mkdirSync, readFileSync } from 'node:fs';
import { dirname } from 'node:path';
import { writeFileAtomically, WriteError } from '../atomic-write.ts';

/** A line: at least the step it belongs to. Numbers that are not finite are written as strings. */
export type LogLine = Readonly<Record<string, unknown>> & { readonly step: number };

/** An open log. */
export class JsonlLog {
  /** Its path. */
  readonly file: string;

  private constructor(file: string) {
    this.file = file;
  }

  /**
   * Opens a log for a run that begins after `step` updates. Lines of later steps, left by a run that was killed, are
   * dropped, as is a last line that was cut off, so that the log has each step once.
   *
   * @throws WriteError if it cannot be written.
   */
  static async open(file: string, step: number): Promise<JsonlLog> {
    try {
      mkdirSync(dirname(file), { recursive: true });
      const lines = step > 0 && existsSync(file) ? readFileSync(file, 'utf8').split('\n') : [];
      const kept = lines.filter((line) => {
        const logged = parse(line)?.step;
        return typeof logged === 'number' && logged <= step;
      });
      await writeFileAtomically(file, kept.map((line) => `${line}\n`).join(''));
    } catch (cause) {
      throw cause instanceof WriteError ? cause : new WriteError(file, cause);
    }
    return new JsonlLog(file);
  }

  /** Appends a line. */
  write(line: LogLine): void {
    const text = JSON.stringify(line, (_, value: unknown) =>
      typeof value === 'number' && !Number.isFinite(value) ? String(value) : value,
    );
    try {
      appendFileSync(this.file, `${text}\n`);
    } catch (cause) {
      throw new WriteError(this.file, cause);
    }
  }
}

/** Reads a log; lines that were cut off are left out. */
export function readJsonl(file: string): LogLine[] {
  return readFileSync(file, 'utf8')
    .split('\n')
    .map(parse)
    .filter((line): line is LogLine => line !== undefined);
}

function parse(line: string): LogLine | undefined {
  try {
    const value: unknown = JSON.parse(line);
    return typeof value === 'object' && value !== null && 'step' in value ? (value as LogLine) : undefined;
  } catch {
    return undefined;
  }
}
