/**
 * The folder of a run: what is where, and what it was made with.
 *
 *     run.json                  pictures, tokenizer, seed
 *     tokenizer/                model.safetensors, config.json, checkpoint/, log.jsonl, TensorBoard events
 *     prior/                    checkpoint/, log.jsonl, TensorBoard events
 *     samples.png, reconstructions.png, metrics.json, skipped.json
 */
import { mkdir, readFile, rm, stat } from 'node:fs/promises';
import { join } from 'node:path';
import { isDeepStrictEqual } from 'node:util';
import type { SkippedFile } from '@tesserae/data';
import { writeFileAtomically, WriteError } from '@tesserae/train';
import type { PictureConfig } from './pictures.ts';

/** What a run was made with. */
export interface RunDescription {
  readonly pictures: PictureConfig;
  /** As typed after `--tokenizer`. */
  readonly tokenizer: string;
}

/** Paths of a run. */
export class RunFolder {
  readonly folder: string;

  constructor(folder: string) {
    this.folder = folder;
  }

  /** A path in the folder. */
  path(...names: string[]): string {
    return join(this.folder, ...names);
  }

  /** Writes `run.json`, and `skipped.json` if any file was left out. */
  async describe(description: RunDescription, skipped: readonly SkippedFile[] = []): Promise<void> {
    await this.writeJson('run.json', description);
    if (skipped.length > 0) await this.writeJson('skipped.json', skipped);
    else await rm(this.path('skipped.json'), { force: true });
  }

  /**
   * Refuses to continue a run with other pictures or another tokenizer.
   *
   * @throws Error naming both.
   */
  async checkSame(description: RunDescription): Promise<void> {
    const found = await this.tryDescription();
    if (found === undefined || isDeepStrictEqual(found, JSON.parse(JSON.stringify(description)))) return;
    throw new Error(
      `${this.folder} was made with ${JSON.stringify(found)}, this is ${JSON.stringify(description)}. ` +
        'Give the same flags to resume, or another --out.',
    );
  }

  /**
   * What the run was made with.
   *
   * @throws Error when the folder holds no run.
   */
  async description(): Promise<RunDescription> {
    const description = await this.tryDescription();
    if (description === undefined) {
      throw new Error(
        `${this.folder} holds no run (there is no run.json); run train-tokenizer or demo with this --out first.`,
      );
    }
    return description;
  }

  async tryDescription(): Promise<RunDescription | undefined> {
    const file = this.path('run.json');
    let text: string;
    try {
      text = await readFile(file, 'utf8');
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code === 'ENOENT') return undefined;
      throw error;
    }
    return parseDescription(text, file);
  }

  /** Writes a JSON file, whole or not at all. */
  async writeJson(name: string, value: unknown): Promise<void> {
    try {
      await mkdir(this.folder, { recursive: true });
    } catch (error) {
      throw new WriteError(this.folder, error);
    }
    await writeFileAtomically(this.path(name), `${JSON.stringify(value, null, 2)}\n`);
  }

  /** Whether there is such a file or folder. */
  async has(...names: string[]): Promise<boolean> {
    return (await stat(this.path(...names)).catch(() => undefined)) !== undefined;
  }
}

function parseDescription(text: string, file: string): RunDescription {
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch (error) {
    throw new Error(`${file} is not JSON: ${(error as Error).message}`, { cause: error });
  }
  const { pictures, tokenizer } = (value ?? {}) as Partial<RunDescription>;
  const { images, size, classes, seed } = pictures ?? ({} as Partial<PictureConfig>);
  if (
    typeof tokenizer !== 'string' ||
    typeof images !== 'string' ||
    typeof classes !== 'boolean' ||
    !Number.isSafeInteger(size) ||
    !Number.isSafeInteger(seed)
  ) {
    throw new Error(`${file} does not describe a run: it needs pictures {images, size, classes, seed} and tokenizer.`);
  }
  return value as RunDescription;
}
