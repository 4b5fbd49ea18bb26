/**
 * Unpacks an npm package, a gzipped tar file of plain members under `package/`, into a folder.
 *
 * Read are the fields of POSIX ustar that such files use: name, prefix, size, type and the header's own checksum. The
 * file's hash was checked, but nothing in it is trusted: see {@link memberPath}; whatever is neither a plain file nor a
 * folder (links, devices, long-name records) is refused, and so is more than the limit, counted after inflating.
 */
import { mkdir, readFile, writeFile } from 'node:fs/promises';
import { dirname, resolve } from 'node:path';
import { promisify } from 'node:util';
import { gunzip } from 'node:zlib';
import { PluginIntegrityError } from './errors.ts';
import { memberPath } from './member-path.ts';

const BLOCK = 512;

/**
 * Unpacks a package without its leading `package/`.
 *
 * @param tarball path of the `.tgz` file
 * @param folder where the members go
 * @param limit bytes of the inflated tar file, 64 MiB by default
 * @returns the names of the unpacked members
 * @throws PluginIntegrityError if the file is not a safe archive of that form
 */
export async function unpackTarball(tarball: string, folder: string, limit: number = 64 << 20): Promise<string[]> {
  const refuse = (problem: string, cause?: unknown): PluginIntegrityError =>
    new PluginIntegrityError(`${tarball} was not unpacked: ${problem}.`, { cause });
  const root = resolve(folder);
  const packed = await readFile(tarball);
  const tar = await promisify(gunzip)(packed, { maxOutputLength: limit }).catch((error: unknown) => {
    throw refuse(
      (error as NodeJS.ErrnoException).code === 'ERR_BUFFER_TOO_LARGE'
        ? `it inflates to more than ${limit} bytes`
        : `it is not a readable gzip file (${error instanceof Error ? error.message : String(error)})`,
      error,
    );
  });
  const names = new Set<string>();
  for (let at = 0; at + BLOCK <= tar.length;) {
    const header = tar.subarray(at, at + BLOCK);
    if (header.every((byte) => byte === 0)) return [...names];
    if (checksum(header) !== octal(header, 148, 8)) throw refuse(`its header at byte ${at} is damaged`);
    const prefix = text(header, 345, 155);
    const full = (prefix === '' ? '' : `${prefix}/`) + text(header, 0, 100);
    const size = octal(header, 124, 12);
    const type = text(header, 156, 1);
    const start = at + BLOCK;
    at = start + Math.ceil(size / BLOCK) * BLOCK;
    if (!Number.isSafeInteger(size) || start + size > tar.length)
      throw refuse(`it ends inside ${JSON.stringify(full)}`);
    if (type === '5') continue;
    if (type !== '' && type !== '0') throw refuse(`its member ${JSON.stringify(full)} is not a plain file`);
    const name = full.replace(/^package\//, '');
    const target = memberPath(root, name);
    if (name === full || target === undefined)
      throw refuse(`its member ${JSON.stringify(full)} would leave the folder`);
    if (names.has(name)) throw refuse(`it has two members ${JSON.stringify(full)}`);
    names.add(name);
    await mkdir(dirname(target), { recursive: true });
    // `wx`: never through a link that something else put there.
    await writeFile(target, tar.subarray(start, start + size), { flag: 'wx' });
  }
  throw refuse('it has no end');
}

function text(header: Buffer, start: number, length: number): string {
  const field = header.subarray(start, start + length);
  const end = field.indexOf(0);
  return field.toString('utf8', 0, end < 0 ? length : end);
}

function octal(header: Buffer, start: number, length: number): number {
  const digits = text(header, start, length).trim();
  return /^[0-7]+$/.test(digits) ? Number.parseInt(digits, 8) : NaN;
}

// The sum of all bytes, with the checksum's own field read as blanks.
function checksum(header: Buffer): number {
  let sum = 8 * 32;
  header.forEach((byte, i) => (sum += i >= 148 && i < 156 ? 0 : byte));
  return sum;
}
