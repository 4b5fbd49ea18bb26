/**
 * Reads the per-user cache: which plugins lie there complete. A folder counts only with its record, and only if the
 * library has the recorded size, so what an interrupted or full-disk run left behind is never loaded.
 */
import { readdir, readFile, stat } from 'node:fs/promises';
import { join } from 'node:path';
import { pluginsFolder, RECORD_FILE, tesseraeHome } from '@tesserae/downloads';
import { PLUGINS, type PluginName, type PluginPlatform } from './plugin-table.ts';

/** The record that an installation writes into its folder. */
export interface PluginRecord {
  readonly name: PluginName;
  readonly version: string;
  /** The shared library, relative to the folder. */
  readonly library: string;
  /** Its size, by which a damaged copy is noticed. */
  readonly libraryBytes: number;
  /** The wheels that the folder was unpacked from. */
  readonly wheels: readonly { readonly file: string; readonly sha256: string }[];
}

/** A plugin that lies complete in the cache. */
export interface InstalledPlugin extends PluginRecord {
  readonly platform: PluginPlatform;
  readonly folder: string;
  /** Full path of the shared library. */
  readonly path: string;
  /** True if it is the version that this release pins. */
  readonly current: boolean;
}

/**
 * The plugins in the per-user cache, those that this release pins first.
 *
 * @param options.home the per-user folder, by default {@link tesseraeHome}
 */
export async function listPlugins(options: { home?: string } = {}): Promise<InstalledPlugin[]> {
  const parent = pluginsFolder(options.home ?? tesseraeHome());
  const names = await readdir(parent).catch(() => [] as string[]);
  const found: InstalledPlugin[] = [];
  for (const name of names.sort()) {
    if (name.startsWith('.')) continue;
    const plugin = await readPlugin(join(parent, name));
    if (plugin) found.push(plugin);
  }
  return found.sort((a, b) => rank(a) - rank(b));
}

/**
 * Reads one folder of the cache.
 *
 * @returns the plugin, or undefined if the folder is not a complete one
 */
export async function readPlugin(folder: string): Promise<InstalledPlugin | undefined> {
  try {
    const record = JSON.parse(await readFile(join(folder, RECORD_FILE), 'utf8')) as PluginRecord;
    const pin = PLUGINS[record.name];
    const path = join(folder, record.library);
    if ((await stat(path)).size !== record.libraryBytes) return undefined;
    const current = pin.builds.some((build) => build.library === record.library && build.version === record.version);
    return { ...record, platform: pin.platform, folder, path, current };
  } catch {
    return undefined;
  }
}

// Pinned versions before others, then the order of the table and of its builds.
function rank(plugin: InstalledPlugin): number {
  const names = Object.keys(PLUGINS);
  const build = PLUGINS[plugin.name].builds.findIndex((candidate) => candidate.library === plugin.library);
  return (plugin.current ? 0 : 1000) + names.indexOf(plugin.name) * 10 + (build < 0 ? 9 : build);
}
