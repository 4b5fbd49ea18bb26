/**
 * Reads the per-user cache: which builds of the TensorFlow engine lie there complete. A folder counts only with its
 * record, and only if the addon and TensorFlow's library have the recorded sizes.
 */
import { readdir, readFile, stat } from 'node:fs/promises';
import { join } from 'node:path';
import { pluginsFolder, RECORD_FILE, tesseraeHome } from '@tesserae/downloads';
import { TENSORFLOW_BUILDS, type TensorflowDevice } from './build-table.ts';
import { ADDON_FILE, ADDON_FOLDER } from './compile-addon.ts';

/** The record that an installation writes into its folder. */
export interface BuildRecord {
  readonly name: `tensorflow-${TensorflowDevice}`;
  /** TensorFlow's version. */
  readonly version: string;
  /** Sizes by path, by which a damaged copy is noticed. */
  readonly bytes: Readonly<Record<string, number>>;
  /** The compiler that made the addon. */
  readonly compiler: string;
  readonly wheels: readonly { readonly file: string; readonly sha256: string }[];
}

/** A build that lies complete in the cache. */
export interface InstalledBuild {
  readonly device: TensorflowDevice;
  readonly version: string;
  readonly folder: string;
  /** The npm package's folder, with its `package.json`. */
  readonly package: string;
  /** The native addon. */
  readonly addon: string;
  /** True if it is the version that this release pins. */
  readonly current: boolean;
}

/** TensorFlow's large library inside a build. */
const LIBRARY = 'tensorflow/libtensorflow_cc.so.2';

/** The name of a build's folder under `plugins`. */
export function buildFolderName(device: TensorflowDevice, version: string): string {
  return `tensorflow-${device}-${version}`;
}

/**
 * The builds in the per-user cache: those that this release pins first, GPU before CPU.
 *
 * @param options.home the per-user folder, by default `tesseraeHome()`
 */
export async function listTensorflow(options: { home?: string } = {}): Promise<InstalledBuild[]> {
  const parent = pluginsFolder(options.home ?? tesseraeHome());
  const found: InstalledBuild[] = [];
  for (const name of (await readdir(parent).catch(() => [] as string[])).sort().reverse()) {
    if (!name.startsWith('tensorflow-')) continue;
    const build = await readBuild(join(parent, name));
    if (build) found.push(build);
  }
  const rank = (build: InstalledBuild): number => (build.current ? 0 : 2) + (build.device === 'gpu' ? 0 : 1);
  return found.sort((a, b) => rank(a) - rank(b));
}

/**
 * Reads one folder of the cache.
 *
 * @returns the build, or undefined if the folder is not a complete one
 */
export async function readBuild(folder: string): Promise<InstalledBuild | undefined> {
  try {
    const record = JSON.parse(await readFile(join(folder, RECORD_FILE), 'utf8')) as BuildRecord;
    for (const [path, bytes] of Object.entries(record.bytes)) {
      if ((await stat(join(folder, path))).size !== bytes) return undefined;
    }
    const device = record.name === 'tensorflow-gpu' ? 'gpu' : 'cpu';
    if (record.name !== `tensorflow-${device}`) return undefined;
    return {
      ...describeBuild(folder, device, record.version),
      current: record.version === TENSORFLOW_BUILDS[device].version,
    };
  } catch {
    return undefined;
  }
}

/** A build by its folder, complete or not. */
export function describeBuild(folder: string, device: TensorflowDevice, version: string): InstalledBuild {
  return {
    device,
    version,
    folder,
    package: join(folder, ADDON_FOLDER),
    addon: join(folder, ADDON_FILE),
    current: false,
  };
}

/** The record's sizes, as they are now. */
export async function sizesOf(folder: string): Promise<Record<string, number>> {
  const sizes: Record<string, number> = {};
  for (const path of [ADDON_FILE, LIBRARY]) sizes[path] = (await stat(join(folder, path))).size;
  return sizes;
}
