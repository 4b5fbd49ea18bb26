/** `state.json` of a checkpoint: everything that is not a tensor. */

/** Values that survive JSON unchanged. */
export type Json = string | number | boolean | null | readonly Json[] | { readonly [key: string]: Json | undefined };

/** What a caller puts into a checkpoint beside the tensors. */
export interface CheckpointState {
  /** Number of updates made. */
  readonly step: number;
  /** Seed of all random draws of the run: the key of step n is `foldIn(key(seed), n)`. */
  readonly seed?: number;
  /** The loader's `state()`. */
  readonly loader?: Json;
  /** Configuration of the run, for people and for building the model again. */
  readonly config?: Json;
  /** Names of the figures in `pending`. */
  readonly terms?: readonly string[];
  /** Figures of the steps since the last log line, so that the next one comes out the same after a resume. */
  readonly pending?: Json;
  /** Name and version of what wrote it. */
  readonly versions?: Readonly<Record<string, string>>;
}

/** The file itself. */
export interface SavedState extends CheckpointState {
  readonly format: 'tesserae-checkpoint';
  readonly version: 1;
  /** Size and hash of each other file. */
  readonly files: Readonly<Record<string, { readonly bytes: number; readonly sha256: string }>>;
}

/** Parses and checks the file; `fail` throws. */
export function parseState(
  text: string,
  path: string,
  fail: (message: string) => never,
): CheckpointState & Pick<SavedState, 'files'> {
  let parsed: Partial<Omit<SavedState, 'version' | 'format'>> & { format?: unknown; version?: unknown };
  try {
    parsed = JSON.parse(text) as typeof parsed;
  } catch (cause) {
    return fail(`${path}: is not valid JSON (${(cause as Error).message}). It may be truncated.`);
  }
  if (typeof parsed !== 'object' || parsed === null || parsed.format !== 'tesserae-checkpoint') {
    return fail(`${path}: was not written by Tesserae: its 'format' must be "tesserae-checkpoint".`);
  }
  const { format: _, version, files, step, ...rest } = parsed;
  if (version !== 1) {
    return fail(
      `${path}: has version ${String(version)}, this release reads version 1. Use a newer release of Tesserae.`,
    );
  }
  if (!Number.isSafeInteger(step) || (step as number) < 0) {
    return fail(`${path}: 'step' must be a whole number of at least 0, got ${JSON.stringify(step)}.`);
  }
  if (typeof files !== 'object' || files === null || !Object.values(files).every(isFileEntry)) {
    return fail(`${path}: 'files' must give bytes and sha256 of each file, got ${JSON.stringify(files)}.`);
  }
  return { ...rest, step: step as number, files };
}

function isFileEntry(value: unknown): boolean {
  const { bytes, sha256 } = (value ?? {}) as { bytes?: unknown; sha256?: unknown };
  return Number.isSafeInteger(bytes) && typeof sha256 === 'string';
}
