/**
 * Installs a PJRT plugin into the per-user cache: find its wheels on pip's index, download, verify, unpack, rename.
 *
 * The plugin's folder appears by one rename, complete. A run that is interrupted leaves a `.part` file, which the next
 * run goes on with, and perhaps a temporary folder, which the next run removes.
 */
import { mkdtemp, readdir, rename, rm, stat, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { downloadWheel } from './download-wheel.ts';
import { withLock } from './install-lock.ts';
import { readPlugin, type InstalledPlugin, type PluginRecord } from './installed-plugins.ts';
import { configuredIndex, findFile, indexAt, type PackageIndex } from './package-index.ts';
import { PluginIntegrityError, PluginUnavailableError } from './plugin-errors.ts';
import { downloadsFolder, pluginsFolder, RECORD_FILE, tesseraeHome, type Environment } from './plugin-home.ts';
import { PLUGINS, type PluginBuild, type PluginName } from './plugin-table.ts';
import { isNeeded, unpackWheel } from './unpack-wheel.ts';

/** What an installation is doing. */
export type InstallProgress =
  | { readonly stage: 'waiting'; readonly owner: number }
  | { readonly stage: 'download'; readonly file: string; readonly bytes: number; readonly total: number }
  | { readonly stage: 'unpack'; readonly file: string }
  | { readonly stage: 'fallback'; readonly reason: string };

/** Options of an installation. */
export interface InstallOptions {
  /** Told about each step; downloads report about every tenth part. */
  readonly onProgress?: (progress: InstallProgress) => void;
  /** The per-user folder, by default `tesseraeHome()`. */
  readonly home?: string;
  /** An index's address, or its settings; by default what pip is configured for. */
  readonly index?: string | PackageIndex;
  /** Other builds than those of the table, for tests. */
  readonly builds?: readonly PluginBuild[];
  readonly env?: Environment;
  /** Milliseconds before a broken download is tried again, 500 by default; doubled each time. */
  readonly retryDelay?: number;
  readonly signal?: AbortSignal;
}

/**
 * Installs a plugin, or finds that it is there.
 *
 * @param name which plugin
 * @returns the installed plugin
 * @throws PluginUnavailableError if the index cannot be reached, has no such file, or there is no build for this machine
 * @throws PluginIntegrityError if a file differs from its pinned hash
 */
export async function installPlugin(name: PluginName, options: InstallOptions = {}): Promise<InstalledPlugin> {
  const env = options.env ?? process.env;
  const home = options.home ?? tesseraeHome(env);
  const builds = options.builds ?? PLUGINS[name].builds;
  const there = await firstInstalled(home, name, builds);
  if (there) return there;
  if (process.platform !== 'linux' || process.arch !== 'x64') {
    throw new PluginUnavailableError(
      `There is no XLA plugin for ${process.platform} on ${process.arch}; builds exist for linux on x64.`,
      'Use the wasm engine, or point TESSERAE_PJRT_PLUGIN to a plugin of your own.',
    );
  }
  const lock = join(pluginsFolder(home), `.${name}.lock`);
  const waiting = (owner: number): void => options.onProgress?.({ stage: 'waiting', owner });
  try {
    return await withLock(lock, waiting, () => installFirst(home, name, builds, { ...options, env }));
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

// Tries the builds in order. Only "not available" moves on to the next: a wrong hash is an alarm, not a detour.
async function installFirst(
  home: string,
  name: PluginName,
  builds: readonly PluginBuild[],
  options: InstallOptions & { env: Environment },
): Promise<InstalledPlugin> {
  const there = await firstInstalled(home, name, builds);
  if (there) return there;
  await removeLeftovers(home, name);
  const index =
    typeof options.index === 'string'
      ? indexAt(options.index, options.env)
      : (options.index ?? (await configuredIndex(options.env)));
  let first: PluginUnavailableError | undefined;
  for (const build of builds) {
    try {
      return await installBuild(home, name, build, index, options);
    } catch (error) {
      if (!(error instanceof PluginUnavailableError)) throw error;
      first ??= error;
      if (build !== builds.at(-1)) options.onProgress?.({ stage: 'fallback', reason: error.message });
    }
  }
  throw first ?? new PluginUnavailableError(`Plugin ${name} has no builds.`, 'internal: report this.');
}

async function installBuild(
  home: string,
  name: PluginName,
  build: PluginBuild,
  index: PackageIndex,
  options: InstallOptions,
): Promise<InstalledPlugin> {
  const downloads = downloadsFolder(home);
  const temporary = await mkdtemp(join(pluginsFolder(home), `.${name}-`));
  try {
    for (const pin of build.wheels) {
      const path = join(downloads, pin.file);
      const report = everyTenth((bytes) =>
        options.onProgress?.({ stage: 'download', file: pin.file, bytes, total: pin.bytes }),
      );
      const url = await findFile(index, pin.project, pin.file);
      await downloadWheel(url, pin, path, {
        index,
        onBytes: (bytes) => report(bytes, pin.bytes),
        ...(options.retryDelay === undefined ? {} : { retryDelay: options.retryDelay }),
        ...(options.signal ? { signal: options.signal } : {}),
      });
      options.onProgress?.({ stage: 'unpack', file: pin.file });
      await unpackWheel(path, temporary, isNeeded);
    }
    const library = await stat(join(temporary, build.library)).catch(() => undefined);
    if (!library?.isFile()) {
      throw new PluginIntegrityError(
        `The wheels of plugin ${name} do not hold ${build.library}: internal: wrong table.`,
      );
    }
    const record: PluginRecord = {
      name,
      version: build.version,
      library: build.library,
      libraryBytes: library.size,
      wheels: build.wheels.map(({ file, sha256 }) => ({ file, sha256 })),
    };
    await writeFile(join(temporary, RECORD_FILE), `${JSON.stringify(record, null, 2)}\n`);
    const folder = folderOf(home, name, build);
    // A folder that is there under this name is not complete (see firstInstalled), so it makes way.
    await rm(folder, { recursive: true, force: true });
    await rename(temporary, folder);
    for (const pin of build.wheels) await rm(join(downloads, pin.file), { force: true });
    const installed = await readPlugin(folder);
    if (!installed) throw new Error(`internal: ${folder} was written but does not read back.`);
    return installed;
  } finally {
    await rm(temporary, { recursive: true, force: true });
  }
}

async function firstInstalled(
  home: string,
  name: PluginName,
  builds: readonly PluginBuild[],
): Promise<InstalledPlugin | undefined> {
  for (const build of builds) {
    const plugin = await readPlugin(folderOf(home, name, build));
    if (plugin) return plugin;
  }
  return undefined;
}

function folderOf(home: string, name: PluginName, build: PluginBuild): string {
  return join(pluginsFolder(home), `${name}-${build.wheels[0]?.project ?? 'plugin'}-${build.version}`);
}

// Temporary folders of runs that were killed. The lock is held, so nobody is writing to them.
async function removeLeftovers(home: string, name: PluginName): Promise<void> {
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
