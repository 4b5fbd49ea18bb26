/**
 * Finds a PJRT plugin on this machine, first match wins: the path in `TESSERAE_PJRT_PLUGIN`, the per-user cache that
 * `tesserae engine install` fills, then the plugin of an existing JAX installation (CUDA only: JAX has its CPU client
 * built in).
 */
import { stat } from 'node:fs/promises';
import { basename, dirname, resolve } from 'node:path';
import { nvidiaLibraryFolders } from './cuda-libraries.ts';
import { listPlugins } from './installed-plugins.ts';
import { findJaxPlugin } from './jax-installation.ts';
import { PluginUnavailableError, tesseraeHome, type Environment } from '@tesserae/downloads';
import type { PluginPlatform } from './plugin-table.ts';

/** A plugin that can be opened. */
export interface PluginLocation {
  /** Full path of the shared library. */
  readonly path: string;
  /** Folders whose libraries must be loadable before it is opened; see `librariesInLoadOrder`. Empty for the CPU. */
  readonly libraryFolders: string[];
  /** Where it was found, for people: `TESSERAE_PJRT_PLUGIN`, `tesserae engine install cpu`, `JAX installation`. */
  readonly source: string;
  readonly version?: string;
}

/**
 * Finds the plugin for a platform.
 *
 * @param platform `cpu` or `cuda`
 * @param env the environment to read, by default this process's
 * @returns undefined if there is none
 * @throws PluginUnavailableError if `TESSERAE_PJRT_PLUGIN` names a file that does not exist
 */
export async function locatePlugin(
  platform: PluginPlatform,
  env: Environment = process.env,
): Promise<PluginLocation | undefined> {
  const named = env['TESSERAE_PJRT_PLUGIN'];
  if (named && platformOf(named) === platform) return fromEnvironment(named);

  const installed = (await listPlugins({ home: tesseraeHome(env) })).find((plugin) => plugin.platform === platform);
  if (installed) {
    return {
      path: installed.path,
      libraryFolders: platform === 'cuda' ? await nvidiaLibraryFolders(installed.folder) : [],
      source: `tesserae engine install ${installed.name}`,
      version: installed.version,
    };
  }

  if (platform === 'cpu') return undefined;
  const jax = await findJaxPlugin(env);
  if (!jax) return undefined;
  return {
    path: jax.path,
    libraryFolders: await nvidiaLibraryFolders(jax.root),
    source: 'JAX installation',
    ...(jax.version ? { version: jax.version } : {}),
  };
}

async function fromEnvironment(named: string): Promise<PluginLocation> {
  const path = resolve(named);
  const isFile = await stat(path).then(
    (entry) => entry.isFile(),
    () => false,
  );
  if (!isFile) {
    throw new PluginUnavailableError(
      `TESSERAE_PJRT_PLUGIN names ${path}, which is not a file.`,
      'Correct the path, or unset the variable to use the installed plugin.',
    );
  }
  // A plugin in a site-packages folder lies in jax_plugins/xla_cudaNN/, beside nvidia/.
  for (const root of [dirname(dirname(dirname(path))), dirname(dirname(path)), dirname(path)]) {
    const folders = await nvidiaLibraryFolders(root);
    if (folders.length > 0) return { path, libraryFolders: folders, source: 'TESSERAE_PJRT_PLUGIN' };
  }
  return { path, libraryFolders: [], source: 'TESSERAE_PJRT_PLUGIN' };
}

// Only the name says which devices a plugin drives, before it is opened: xla_cuda_plugin.so, pjrt_c_api_gpu_plugin.so.
function platformOf(path: string): PluginPlatform {
  return /cuda|gpu/i.test(basename(path)) ? 'cuda' : 'cpu';
}
