/**
 * Installs a folder of the per-user cache from pinned wheels: find them on pip's index, download, verify, unpack, prepare,
 * rename.
 *
 * The folder appears by one rename, complete. A run that is interrupted leaves a `.part` file, which the next run goes on
 * with, and perhaps a temporary folder, which the next run removes.
 */
import { mkdtemp, readdir, rename, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { downloadWheel } from './download-wheel.ts';
import { downloadsFolder, pluginsFolder } from './home.ts';
import { withLock } from './install-lock.ts';
import { findFile, type PackageIndex } from './package-index.ts';
import { unpackWheel, type UnpackLimits } from './unpack-wheel.ts';
import type { WheelPin } from './wheel-pin.ts';

/** What an installation is doing. */
export type InstallProgress =
  | { readonly stage: 'waiting'; readonly owner: number }
  | { readonly stage: 'download'; readonly file: string; readonly bytes: number; readonly total: number }
  | { readonly stage: 'unpack'; readonly file: string }
  | { readonly stage: 'fallback'; readonly reason: string };

/** How a folder is fetched. */
export interface FetchOptions {
  readonly index: PackageIndex;
  /** Told about each step; downloads report about every tenth part. */
  readonly onProgress?: (progress: InstallProgress) => void;
  /** Milliseconds before a broken download is tried again, 500 by default; doubled each time. */
  readonly retryDelay?: number;
  readonly signal?: AbortSignal;
}

/** A folder of the cache and what it is made of. */
export interface FolderRecipe {
  /** The per-user folder. */
  readonly home: string;
  /** The name that {@link installAlone} holds; temporary folders carry it. */
  readonly name: string;
  /** The finished folder's own name, under `plugins`. */
  readonly folder: string;
  readonly wheels: readonly WheelPin[];
  /** Says which members of the wheels are needed. */
  readonly wanted: (member: string) => boolean;
  /** What one wheel may unpack to, if the usual limits are too narrow. */
  readonly limits?: UnpackLimits;
  /** Finishes the unpacked folder, at its temporary place: checks, builds, writes the record that makes it count. */
  readonly prepare: (folder: string) => Promise<void>;
}

/**
 * Runs an installation while no other process of this user runs one of that name, after removing what killed ones left.
 *
 * @param home the per-user folder
 * @param name what is installed
 * @throws Error that names the folder if it is full or cannot be written
 */
export async function installAlone<T>(
  home: string,
  name: string,
  onProgress: ((progress: InstallProgress) => void) | undefined,
  run: () => Promise<T>,
): Promise<T> {
  const lock = join(pluginsFolder(home), `.${name}.lock`);
  const waiting = (owner: number): void => onProgress?.({ stage: 'waiting', owner });
  try {
    return await withLock(lock, waiting, async () => {
      await removeLeftovers(home, name);
      return run();
    });
  } catch (error) {
    const code = (error as NodeJS.ErrnoException).code;
    if (code === 'ENOSPC')
      throw new Error(`The disk that holds ${home} is full. Free some space, or set TESSERAE_HOME.`, { cause: error });
    if (code === 'EACCES' || code === 'EROFS' || code === 'EPERM') {
      throw new Error(`${home} cannot be written (${code}). Set TESSERAE_HOME to a folder that can.`, { cause: error });
    }
    throw error;
  }
}

/**
 * Makes a folder of the cache. Call it inside {@link installAlone}.
 *
 * @returns the folder's full path
 * @throws PluginUnavailableError if the index cannot be reached or has no such file
 * @throws PluginIntegrityError if a file differs from its pinned hash
 */
export async function installFolder(recipe: FolderRecipe, options: FetchOptions): Promise<string> {
  const downloads = downloadsFolder(recipe.home);
  const temporary = await mkdtemp(join(pluginsFolder(recipe.home), `.${recipe.name}-`));
  try {
    for (const pin of recipe.wheels) {
      const path = join(downloads, pin.file);
      const report = everyTenth((bytes) =>
        options.onProgress?.({ stage: 'download', file: pin.file, bytes, total: pin.bytes }),
      );
      const url = await findFile(options.index, pin.project, pin.file);
      await downloadWheel(url, pin, path, {
        index: options.index,
        onBytes: (bytes) => report(bytes, pin.bytes),
        ...(options.retryDelay === undefined ? {} : { retryDelay: options.retryDelay }),
        ...(options.signal ? { signal: options.signal } : {}),
      });
      options.onProgress?.({ stage: 'unpack', file: pin.file });
      await unpackWheel(path, temporary, recipe.wanted, recipe.limits);
    }
    await recipe.prepare(temporary);
    const folder = join(pluginsFolder(recipe.home), recipe.folder);
    // A folder that is there under this name is not complete, or nobody would install it again; so it makes way.
    await rm(folder, { recursive: true, force: true });
    await rename(temporary, folder);
    for (const pin of recipe.wheels) await rm(join(downloads, pin.file), { force: true });
    return folder;
  } finally {
    await rm(temporary, { recursive: true, force: true });
  }
}

// Temporary folders of runs that were killed. The lock is held, so nobody is writing to them.
async function removeLeftovers(home: string, name: string): Promise<void> {
  for (const entry of await readdir(pluginsFolder(home))) {
    if (entry.startsWith(`.${name}-`)) await rm(join(pluginsFolder(home), entry), { recursive: true, force: true });
  }
}

// Passes on the first call, the last one, and one for every tenth part between.
function everyTenth(report: (bytes: number) => void): (bytes: number, total: number) => void {
  let shown = -1;
  return (bytes, total) => {
    const tenth = Math.floor((10 * bytes) / total);
    if (tenth > shown) {
      shown = tenth;
      report(bytes);
    }
  };
}
