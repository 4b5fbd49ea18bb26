/**
 * Finds a TensorFlow to compute with, first match wins: a build in the per-user cache that `tesserae engine install
 * tensorflow` made (GPU before CPU), then `@tensorflow/tfjs-node-gpu` or `@tensorflow/tfjs-node` of the program itself, if
 * their installation brought the addon. `TESSERAE_TENSORFLOW=cpu` or `gpu` allows only that kind.
 */
import { readdir, readFile, stat } from 'node:fs/promises';
import { createRequire } from 'node:module';
import { dirname, join } from 'node:path';
import { tesseraeHome, type Environment } from '@tesserae/downloads';
import type { TensorflowDevice } from './install/build-table.ts';
import { listTensorflow, type InstalledBuild } from './install/installed-builds.ts';

/** A build that can be started. */
export interface BuildLocation extends Pick<InstalledBuild, 'device' | 'package' | 'addon'> {
  /** TensorFlow's version, or that of the npm package where TensorFlow's is not known before it is loaded. */
  readonly version: string;
  /** Where it was found, for people. */
  readonly source: string;
}

/**
 * Finds a build.
 *
 * @param env the environment to read, by default this process's
 * @param project a file in the folder whose `node_modules` are searched, by default the working directory
 * @returns undefined if there is none
 */
export async function locateBuild(
  env: Environment = process.env,
  project: string = join(process.cwd(), 'package.json'),
): Promise<BuildLocation | undefined> {
  const only = onlyDevice(env);
  const installed = (await listTensorflow({ home: tesseraeHome(env) })).find(
    (build) => only === undefined || build.device === only,
  );
  if (installed) {
    const gpu = installed.device === 'gpu' ? ' --gpu' : '';
    return {
      ...installed,
      version: `TensorFlow ${installed.version}`,
      source: `tesserae engine install tensorflow${gpu}`,
    };
  }
  for (const device of ['gpu', 'cpu'] as const) {
    if (only !== undefined && device !== only) continue;
    const found = await ownPackage(device, project);
    if (found) return found;
  }
  return undefined;
}

function onlyDevice(env: Environment): TensorflowDevice | undefined {
  const named = env['TESSERAE_TENSORFLOW'];
  if (!named) return undefined;
  if (named === 'cpu' || named === 'gpu') return named;
  throw new Error(`TESSERAE_TENSORFLOW: expected 'cpu' or 'gpu', received '${named}'. Correct or unset it.`);
}

async function ownPackage(device: TensorflowDevice, project: string): Promise<BuildLocation | undefined> {
  const name = device === 'gpu' ? '@tensorflow/tfjs-node-gpu' : '@tensorflow/tfjs-node';
  for (const from of [project, import.meta.url]) {
    try {
      const manifest = createRequire(from).resolve(`${name}/package.json`);
      const folder = dirname(manifest);
      const addon = await newestAddon(join(folder, 'lib'));
      if (addon === undefined) continue;
      const { version } = JSON.parse(await readFile(manifest, 'utf8')) as { version: string };
      return { device, package: folder, addon, version: `${name} ${version}`, source: name };
    } catch {
      // Not installed there.
    }
  }
  return undefined;
}

// lib/napi-v8/tfjs_binding.node; without it only the installer's download failed, and the package cannot compute.
async function newestAddon(lib: string): Promise<string | undefined> {
  for (const name of (await readdir(lib)).sort().reverse()) {
    const file = join(lib, name, 'tfjs_binding.node');
    const isFile = await stat(file).then(
      (entry) => entry.isFile(),
      () => false,
    );
    if (isFile) return file;
  }
  return undefined;
}
