/**
 * Compiles the addon of tfjs-node against the unpacked TensorFlow, with the C++ compiler itself.
 *
 * Not by node-gyp: that downloads Node's headers from Node's own site, which a machine behind a package mirror does not
 * reach, and needs Python and make. The addon is two files that use Node-API only, so one call of the compiler with the
 * headers of the npm package `node-api-headers` makes the same thing.
 */
import { execFile } from 'node:child_process';
import { mkdir } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { promisify } from 'node:util';
import { PluginUnavailableError, type Environment } from '@tesserae/downloads';

/** The folder of the npm package inside a build. */
export const ADDON_FOLDER = 'tfjs-node';

/** The folder of Node's headers inside a build; needed to compile only. */
export const HEADERS_FOLDER = 'node-api-headers';

/** The addon inside a build, where the npm package itself would look for it. */
export const ADDON_FILE: string = join(ADDON_FOLDER, 'lib/napi-v8/tfjs_binding.node');

/** A C++ compiler that was found. */
export interface Compiler {
  /** The program and the words that go before all others. */
  readonly command: readonly string[];
  /** The first line of what it says about itself. */
  readonly version: string;
}

/**
 * Finds a C++ compiler: `CXX`, else `g++`, else `c++`, else `clang++`.
 *
 * @throws PluginUnavailableError with the line that installs one
 */
export async function findCompiler(env: Environment = process.env): Promise<Compiler> {
  const named = env['CXX']?.trim();
  for (const candidate of named ? [named] : ['g++', 'c++', 'clang++']) {
    const command = candidate.split(/\s+/);
    const version = await promisify(execFile)(command[0]!, [...command.slice(1), '--version'], {
      env: env as NodeJS.ProcessEnv,
    }).then(
      ({ stdout }) => stdout.split('\n')[0]!.trim(),
      () => undefined,
    );
    if (version !== undefined) return { command, version };
  }
  throw new PluginUnavailableError(
    named
      ? `The C++ compiler that CXX names, ${named}, does not run.`
      : 'The TensorFlow engine is compiled on this machine, and no C++ compiler is installed.',
    named
      ? 'Correct CXX or unset it, then run the command again.'
      : 'Install g++ (Debian, Ubuntu: `apt-get install g++`; Fedora: `dnf install gcc-c++`; Alpine has no TensorFlow), ' +
          'then run the command again.',
  );
}

/**
 * Compiles the addon.
 *
 * @param folder a build with `tensorflow`, `tfjs-node` and `node-api-headers` unpacked in it
 * @returns the addon's full path
 * @throws Error with the compiler's first complaint
 */
export async function compileAddon(folder: string, compiler: Compiler, env: Environment): Promise<string> {
  const addon = join(folder, ADDON_FILE);
  await mkdir(dirname(addon), { recursive: true });
  const words = [
    ...compiler.command.slice(1),
    ...['-std=c++17', '-O2', '-fPIC', '-shared', '-DNAPI_VERSION=8'],
    ...[`${HEADERS_FOLDER}/include`, 'tensorflow/include'].map((path) => `-I${join(folder, path)}`),
    ...['tfjs_backend.cc', 'tfjs_binding.cc'].map((file) => join(folder, ADDON_FOLDER, 'binding', file)),
    ...['-o', addon, `-L${join(folder, 'tensorflow')}`],
    ...['cc', 'framework'].map((part) => `-l:libtensorflow_${part}.so.2`),
    // From lib/napi-v8 of the package to TensorFlow's folder beside it, wherever the build is moved.
    '-Wl,-rpath,$ORIGIN/../../../tensorflow',
  ];
  try {
    await promisify(execFile)(compiler.command[0]!, words, {
      cwd: folder,
      env: env as NodeJS.ProcessEnv,
      maxBuffer: 16 << 20,
      timeout: 600_000,
    });
  } catch (cause) {
    const { stderr, message } = cause as { stderr?: string; message: string };
    const lines = (stderr || message).split('\n');
    const complaint = lines.find((line) => /error|undefined reference|cannot find/i.test(line)) ?? lines[0]!;
    throw new Error(`${compiler.version} did not compile the addon of tfjs-node: ${complaint.trim()}`, { cause });
  }
  return addon;
}
