/**
 * Fetches a pinned npm package by npm's own client, so a registry, token, certificate or proxy that works for npm works
 * here. The package is only unpacked: none of its scripts run, none of its dependencies come along.
 */
import { execFile } from 'node:child_process';
import { createHash } from 'node:crypto';
import { mkdir, mkdtemp, readdir, readFile, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { PluginIntegrityError, PluginUnavailableError } from './errors.ts';
import { downloadsFolder, type Environment } from './home.ts';
import { redacted } from './index-request.ts';
import { unpackTarball } from './unpack-tarball.ts';

/** One npm package, pinned. */
export interface NpmPin {
  readonly name: string;
  readonly version: string;
  /** SHA-256 of the tarball, lower-case hexadecimal. */
  readonly sha256: string;
}

/**
 * Fetches a package and unpacks it.
 *
 * @param pin which one
 * @param folder where its files go, without the leading `package/`
 * @param options.home the per-user folder, for the download
 * @param options.env the environment that npm runs in
 * @throws PluginUnavailableError if npm is not there or cannot get the package; ends with what npm said
 * @throws PluginIntegrityError if what arrived is not what was pinned
 */
export async function fetchNpmPackage(
  pin: NpmPin,
  folder: string,
  options: { readonly home: string; readonly env: Environment; readonly signal?: AbortSignal },
): Promise<void> {
  const spec = `${pin.name}@${pin.version}`;
  await mkdir(downloadsFolder(options.home), { recursive: true });
  const temporary = await mkdtemp(join(downloadsFolder(options.home), 'npm-'));
  try {
    await pack(spec, temporary, options);
    const [file] = await readdir(temporary);
    if (file === undefined) throw new PluginUnavailableError(`npm gave no file for ${spec}.`, 'Run it again.');
    const path = join(temporary, file);
    const sha256 = createHash('sha256')
      .update(await readFile(path))
      .digest('hex');
    if (sha256 !== pin.sha256) {
      throw new PluginIntegrityError(
        `${spec} from the npm registry is not the pinned file: expected SHA-256 ${pin.sha256}, received ${sha256}. ` +
          'It was deleted. If it happens again, the registry serves another file and must not be trusted for this one.',
      );
    }
    await unpackTarball(path, folder);
  } finally {
    await rm(temporary, { recursive: true, force: true });
  }
}

async function pack(
  spec: string,
  destination: string,
  options: { readonly env: Environment; readonly signal?: AbortSignal },
): Promise<void> {
  const words = ['pack', spec, '--ignore-scripts', '--silent', '--pack-destination', destination];
  try {
    await promisify(execFile)('npm', words, {
      env: options.env as NodeJS.ProcessEnv,
      timeout: 180_000,
      ...(options.signal ? { signal: options.signal } : {}),
    });
  } catch (error) {
    options.signal?.throwIfAborted();
    const { code, stderr, stdout } = error as { code?: string | number; stderr?: string; stdout?: string };
    if (code === 'ENOENT') {
      throw new PluginUnavailableError(
        `npm is needed to fetch ${spec}, and it is not there.`,
        'Install npm, then run the command again.',
        { cause: error },
      );
    }
    const said = `${stderr ?? ''}\n${stdout ?? ''}`.trim().split('\n').slice(-3).join(' ');
    throw new PluginUnavailableError(
      `npm cannot get ${spec}${said === '' ? '' : `: ${redacted(said)}`}.`,
      'Check the network and `npm config get registry`, then run the command again.',
      { cause: error },
    );
  }
}
