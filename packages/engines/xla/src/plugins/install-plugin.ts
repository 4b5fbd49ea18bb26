/**
 * Installs a PJRT plugin into the per-user cache, from the first of its builds that the package index has.
 */
import { stat, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import {
  configuredIndex,
  indexAt,
  installAlone,
  installFolder,
  pluginsFolder,
  PluginIntegrityError,
  PluginUnavailableError,
  RECORD_FILE,
  tesseraeHome,
  type Environment,
  type InstallProgress,
  type PackageIndex,
} from '@tesserae/downloads';
import { readPlugin, type InstalledPlugin, type PluginRecord } from './installed-plugins.ts';
import { isNeeded } from './needed-members.ts';
import { PLUGINS, type PluginBuild, type PluginName } from './plugin-table.ts';

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
 * Installs a plugin, or finds that it is there. Where only a build is there that the table prefers less, the preferred one
 * is installed beside it; if that is not to be had, the other serves on.
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
  const there = await installed(home, name, builds[0]);
  if (there) return there;
  if (process.platform !== 'linux' || process.arch !== 'x64') {
    throw new PluginUnavailableError(
      `There is no XLA plugin for ${process.platform} on ${process.arch}; builds exist for linux on x64.`,
      'Use the wasm engine, or point TESSERAE_PJRT_PLUGIN to a plugin of your own.',
    );
  }
  return installAlone(home, name, options.onProgress, () => installFirst(home, name, builds, { ...options, env }));
}

// Tries the builds in order. Only "not available" moves on to the next: a wrong hash is an alarm, not a detour.
async function installFirst(
  home: string,
  name: PluginName,
  builds: readonly PluginBuild[],
  options: InstallOptions & { env: Environment },
): Promise<InstalledPlugin> {
  let index: PackageIndex | undefined;
  let first: PluginUnavailableError | undefined;
  for (const build of builds) {
    const there = await installed(home, name, build);
    if (there) return there;
    try {
      index ??=
        typeof options.index === 'string'
          ? indexAt(options.index, options.env)
          : (options.index ?? (await configuredIndex(options.env)));
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
  const folder = await installFolder(
    {
      home,
      name,
      folder: folderOf(name, build),
      wheels: build.wheels,
      wanted: isNeeded,
      prepare: (unpacked) => writeRecord(unpacked, name, build),
    },
    { ...options, index },
  );
  const plugin = await readPlugin(folder);
  if (!plugin) throw new Error(`internal: ${folder} was written but does not read back.`);
  return plugin;
}

async function writeRecord(folder: string, name: PluginName, build: PluginBuild): Promise<void> {
  const library = await stat(join(folder, build.library)).catch(() => undefined);
  if (!library?.isFile()) {
    throw new PluginIntegrityError(`The wheels of plugin ${name} do not hold ${build.library}: internal: wrong table.`);
  }
  const record: PluginRecord = {
    name,
    version: build.version,
    library: build.library,
    libraryBytes: library.size,
    wheels: build.wheels.map(({ file, sha256 }) => ({ file, sha256 })),
  };
  await writeFile(join(folder, RECORD_FILE), `${JSON.stringify(record, null, 2)}\n`);
}

async function installed(
  home: string,
  name: PluginName,
  build: PluginBuild | undefined,
): Promise<InstalledPlugin | undefined> {
  return build && readPlugin(join(pluginsFolder(home), folderOf(name, build)));
}

function folderOf(name: PluginName, build: PluginBuild): string {
  return `${name}-${build.wheels[0]?.project ?? 'plugin'}-${build.version}`;
}
