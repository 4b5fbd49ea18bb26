/**
 * Installs the TensorFlow engine into the per-user cache: TensorFlow's wheel, tfjs-node's sources, a compiled addon
 * between them, and a check that it computes. The folder appears complete and checked, or not at all.
 */
import { rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import {
  configuredIndex,
  fetchNpmPackage,
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
import { isNeeded, TENSORFLOW_BUILDS, type TensorflowBuild, type TensorflowDevice } from './build-table.ts';
import { ADDON_FOLDER, compileAddon, findCompiler, HEADERS_FOLDER, type Compiler } from './compile-addon.ts';
import { buildFolderName, describeBuild, readBuild, sizesOf } from './installed-builds.ts';
import type { BuildRecord, InstalledBuild } from './installed-builds.ts';
import { checkBuild, type BuildCheck } from './check-build.ts';

/** What an installation is doing. */
export type TensorflowProgress =
  | InstallProgress
  | { readonly stage: 'package'; readonly name: string }
  | { readonly stage: 'compile'; readonly compiler: string }
  | { readonly stage: 'check' }
  | { readonly stage: 'checked'; readonly result: BuildCheck };

/** Options of an installation. */
export interface InstallTensorflowOptions {
  /** `'cpu'` by default. */
  readonly device?: TensorflowDevice;
  readonly onProgress?: (progress: TensorflowProgress) => void;
  /** The per-user folder, by default `tesseraeHome()`. */
  readonly home?: string;
  /** A Python index's address, or its settings; by default what pip is configured for. */
  readonly index?: string | PackageIndex;
  readonly env?: Environment;
  /** Another build than the table's, for tests. */
  readonly build?: TensorflowBuild;
  /** Another check than {@link checkBuild}, for tests. */
  readonly check?: (build: InstalledBuild, env: Environment) => Promise<BuildCheck>;
  readonly signal?: AbortSignal;
}

/**
 * Installs a build, or finds that it is there.
 *
 * @throws PluginUnavailableError without a compiler, without npm, if an index or registry cannot be reached, or where
 *   there is no build for this machine
 * @throws PluginIntegrityError if a file differs from its pinned hash
 * @throws Error if the addon does not compile, or does not compute
 */
export async function installTensorflow(options: InstallTensorflowOptions = {}): Promise<InstalledBuild> {
  const env = options.env ?? process.env;
  const home = options.home ?? tesseraeHome(env);
  const build = options.build ?? TENSORFLOW_BUILDS[options.device ?? 'cpu'];
  const folder = join(pluginsFolder(home), buildFolderName(build.device, build.version));
  const there = await readBuild(folder);
  if (there) return there;
  if (process.platform !== 'linux' || process.arch !== 'x64') {
    throw new PluginUnavailableError(
      `There is no TensorFlow engine for ${process.platform} on ${process.arch}; builds exist for linux on x64.`,
      'Use the wasm engine, or install @tensorflow/tfjs-node with its own binary.',
    );
  }
  // First, since all else is a long download for nothing without it.
  const compiler = await findCompiler(env);
  const name = `tensorflow-${build.device}`;
  return installAlone(home, name, options.onProgress, async () => {
    const meanwhile = await readBuild(folder);
    if (meanwhile) return meanwhile;
    const index =
      typeof options.index === 'string' ? indexAt(options.index, env) : (options.index ?? (await configuredIndex(env)));
    await installFolder(
      {
        home,
        name,
        folder: buildFolderName(build.device, build.version),
        wheels: build.wheels,
        wanted: isNeeded,
        // TensorFlow's GPU wheel has 23,963 members, headers mostly.
        limits: { members: 50_000 },
        prepare: (unpacked) => prepare(unpacked, build, compiler, { ...options, env, home }),
      },
      { ...options, index },
    );
    const installed = await readBuild(folder);
    if (!installed) throw new Error(`internal: ${folder} was written but does not read back.`);
    return installed;
  });
}

async function prepare(
  folder: string,
  build: TensorflowBuild,
  compiler: Compiler,
  options: InstallTensorflowOptions & { env: Environment; home: string },
): Promise<void> {
  for (const [pin, path] of [
    [build.addon, ADDON_FOLDER],
    [build.headers, HEADERS_FOLDER],
  ] as const) {
    options.onProgress?.({ stage: 'package', name: `${pin.name}@${pin.version}` });
    await fetchNpmPackage(pin, join(folder, path), options);
  }
  options.onProgress?.({ stage: 'compile', compiler: compiler.version });
  await compileAddon(folder, compiler, options.env);
  await rm(join(folder, HEADERS_FOLDER), { recursive: true, force: true });

  const bytes = await sizesOf(folder).catch((cause: unknown) => {
    throw new PluginIntegrityError(
      "internal: the pinned wheels do not hold TensorFlow's library; the table is wrong.",
      {
        cause,
      },
    );
  });
  options.onProgress?.({ stage: 'check' });
  const check = options.check ?? checkBuild;
  const result = await check(describeBuild(folder, build.device, build.version), options.env);
  options.onProgress?.({ stage: 'checked', result });
  const record: BuildRecord = {
    name: `tensorflow-${build.device}`,
    version: build.version,
    bytes,
    compiler: compiler.version,
    wheels: build.wheels.map(({ file, sha256 }) => ({ file, sha256 })),
  };
  await writeFile(join(folder, RECORD_FILE), `${JSON.stringify(record, null, 2)}\n`);
}

/**
 * The wheels' bytes to download for a build, beside some hundred kilobytes of npm packages.
 *
 * @param device which build
 */
export function downloadBytes(device: TensorflowDevice): number {
  return TENSORFLOW_BUILDS[device].wheels.reduce((sum, wheel) => sum + wheel.bytes, 0);
}
