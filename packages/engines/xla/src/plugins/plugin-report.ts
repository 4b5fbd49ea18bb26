/**
 * What `tesserae doctor` tells about plugins: for each platform the plugin that would be used, or the one line that
 * gets one. Nothing is opened here; devices are asked for by the engine.
 */
import { listPlugins, type InstalledPlugin } from './installed-plugins.ts';
import { locatePlugin, type PluginLocation } from './locate-plugin.ts';
import { PluginUnavailableError, tesseraeHome, type Environment } from '@tesserae/downloads';
import type { PluginPlatform } from './plugin-table.ts';

/** One platform in the report. */
export type PlatformReport =
  | { readonly platform: PluginPlatform; readonly found: true; readonly location: PluginLocation }
  | { readonly platform: PluginPlatform; readonly found: false; readonly reason: string; readonly remedy: string };

/** The plugins of this machine. */
export interface PluginReport {
  /** The per-user folder. */
  readonly home: string;
  readonly platforms: readonly PlatformReport[];
  /** All complete plugins in the cache, used or not. */
  readonly installed: readonly InstalledPlugin[];
}

/**
 * Looks for the plugins of every platform.
 *
 * @param env the environment to read, by default this process's
 */
export async function doctor(env: Environment = process.env): Promise<PluginReport> {
  const home = tesseraeHome(env);
  const platforms: PlatformReport[] = [];
  for (const platform of ['cpu', 'cuda'] as const) platforms.push(await report(platform, env));
  return { home, platforms, installed: await listPlugins({ home }) };
}

async function report(platform: PluginPlatform, env: Environment): Promise<PlatformReport> {
  const remedy = `npx tesserae engine install ${platform === 'cpu' ? 'cpu' : 'cuda13'}`;
  try {
    const location = await locatePlugin(platform, env);
    if (location) return { platform, found: true, location };
    return { platform, found: false, reason: `no XLA plugin for ${platform} is installed`, remedy };
  } catch (error) {
    if (!(error instanceof PluginUnavailableError)) throw error;
    return { platform, found: false, reason: error.message, remedy: error.remedy };
  }
}
