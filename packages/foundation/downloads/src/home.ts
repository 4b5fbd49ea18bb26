/**
 * Where plugins live: one per-user folder, shared by every project of that user.
 *
 *     <home>/plugins/<name>-<version>/   unpacked plugins, each complete or absent
 *     <home>/downloads/                  wheels under way (`.part`), removed once unpacked
 *     <home>/programs/                   the XLA engine's compiled programs, all of which can be made again
 */
import { homedir } from 'node:os';
import { join, resolve } from 'node:path';

/** Environment variables, as in `process.env`. */
export type Environment = Readonly<Record<string, string | undefined>>;

/** The record that makes an unpacked folder a plugin; written last, so a folder without it is not one. */
export const RECORD_FILE = 'plugin.json';

/**
 * The per-user folder: `TESSERAE_HOME`, else `XDG_CACHE_HOME/tesserae`, else `~/.cache/tesserae`.
 *
 * @param env the environment to read, by default this process's
 */
export function tesseraeHome(env: Environment = process.env): string {
  if (env['TESSERAE_HOME']) return resolve(env['TESSERAE_HOME']);
  // The XDG rules ignore a relative path.
  const cache = env['XDG_CACHE_HOME']?.startsWith('/')
    ? env['XDG_CACHE_HOME']
    : join(env['HOME'] ?? homedir(), '.cache');
  return join(cache, 'tesserae');
}

/** The folder of unpacked plugins. */
export function pluginsFolder(home: string): string {
  return join(home, 'plugins');
}

/** The folder of downloads under way. */
export function downloadsFolder(home: string): string {
  return join(home, 'downloads');
}
