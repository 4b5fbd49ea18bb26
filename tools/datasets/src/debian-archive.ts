/**
 * Data sets that only Debian packages: downloaded with apt's own client by exact name and version, checked by SHA-256
 * and unpacked, not installed, into the repository's ignored cache. Needs no root.
 */
import { execFile } from 'node:child_process';
import { createHash, randomUUID } from 'node:crypto';
import { existsSync } from 'node:fs';
import { mkdir, readFile, readdir, rename, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';

const run = promisify(execFile);

/** One archive, pinned. */
export interface DebianArchive {
  readonly name: string;
  readonly version: string;
  readonly sha256: string;
  /** The folder of the data inside the archive, which is also where an installed package has it. */
  readonly folder: string;
}

/** Fashion-MNIST, 60,000 + 10,000 grey pictures of 28×28 in ten classes; 31 MB, MIT licence. */
export const fashionMnistArchive: DebianArchive = {
  name: 'dataset-fashion-mnist',
  version: '0.0~git20200523.55506a9-1',
  sha256: '39e172fe32dd318ebb3e512220c3beea2fa47d7e20bab348fb4e0922d6beefc0',
  folder: 'usr/share/datasets/fashion-mnist',
};

const defaultCache = fileURLToPath(new URL('../../../.cache/datasets', import.meta.url));

/** Where the data of an archive is on this machine, fetched or installed; undefined if it is not. */
export function findDebianArchive(archive: DebianArchive, cache: string = defaultCache): string | undefined {
  return [join(cache, archive.name, archive.folder), join('/', archive.folder)].find((folder) => existsSync(folder));
}

/**
 * Download and unpack an archive, unless it is there already.
 *
 * @returns The folder with its data.
 * @throws Error when apt or dpkg is missing, the package cannot be had, or the bytes are not the expected ones.
 */
export async function fetchDebianArchive(archive: DebianArchive, cache: string = defaultCache): Promise<string> {
  const present = findDebianArchive(archive, cache);
  if (present !== undefined) return present;
  const { name, version } = archive;
  const work = join(cache, `.${name}-${randomUUID().slice(0, 8)}`);
  await mkdir(work, { recursive: true });
  try {
    await run('apt-get', ['download', `${name}=${version}`], { cwd: work }).catch((error: unknown) => {
      throw new Error(
        `fetchDebianArchive: apt-get cannot download ${name} ${version}: ${firstLine(error)}; on Debian or Ubuntu, ` +
          '`apt-get update` refreshes the package lists. Elsewhere, unpack the package by hand and give its folder',
        { cause: error },
      );
    });
    const [file] = (await readdir(work)).filter((entry) => entry.endsWith('.deb'));
    if (file === undefined) throw new Error(`fetchDebianArchive: apt-get left no .deb of ${name}`);
    await unpackDebianArchive(join(work, file), archive, join(work, 'unpacked'));
    await rename(join(work, 'unpacked'), join(cache, name));
  } finally {
    await rm(work, { recursive: true, force: true });
  }
  return join(cache, name, archive.folder);
}

/**
 * Check a downloaded archive and unpack it.
 *
 * @throws Error when its SHA-256 is another; nothing is unpacked then.
 */
export async function unpackDebianArchive(file: string, archive: DebianArchive, target: string): Promise<void> {
  const sha256 = createHash('sha256')
    .update(await readFile(file))
    .digest('hex');
  if (sha256 !== archive.sha256) {
    throw new Error(`unpackDebianArchive: ${file} has SHA-256 ${sha256}, expected ${archive.sha256}; it is not used`);
  }
  await run('dpkg-deb', ['-x', file, target]).catch((error: unknown) => {
    throw new Error(`unpackDebianArchive: dpkg-deb cannot unpack ${file}: ${firstLine(error)}`, { cause: error });
  });
}

function firstLine(error: unknown): string {
  const { stderr, message } = error as { stderr?: string; message: string };
  const lines = (stderr || message).trim().split('\n');
  return (lines.find((line) => line.startsWith('E:')) ?? lines[0]) as string;
}
