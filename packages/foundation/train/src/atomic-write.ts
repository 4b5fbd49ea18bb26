/** Files and folders that appear whole or not at all. */
import { randomBytes } from 'node:crypto';
import { open, readdir, rename, rm } from 'node:fs/promises';
import { basename, dirname, join } from 'node:path';

/** Something could not be written: names the path, the reason and the remedy. What was there before is untouched. */
export class WriteError extends Error {
  override readonly name = 'WriteError';

  /** @param cause - The error of the file system. */
  constructor(path: string, cause: unknown) {
    const { code, message } = cause as NodeJS.ErrnoException;
    super(`${path}: cannot be written: ${reasons[code ?? ''] ?? message}`, { cause });
  }
}

const reasons: Readonly<Record<string, string>> = {
  ENOSPC: 'the disk is full. Free some space; what was saved before is intact.',
  EDQUOT: 'the disk quota is used up. Free some space; what was saved before is intact.',
  EFBIG: 'the file is larger than this system allows. What was saved before is intact.',
  EACCES: 'no permission. Choose another folder, or change its permissions.',
  EPERM: 'no permission. Choose another folder, or change its permissions.',
  EROFS: 'the file system is read-only. Choose another folder.',
  ENOTDIR: 'a part of the path is a file, not a folder. Choose another folder.',
  EEXIST: 'a file of this name is in the way. Choose another folder.',
  ENOENT: 'the folder does not exist. Create it first.',
};

/** A name beside `path` that nothing has yet; {@link removeLeftovers} finds what a crash leaves under such names. */
export function temporarySibling(path: string): string {
  return join(dirname(path), `.${basename(path)}.writing-${process.pid}-${randomBytes(4).toString('hex')}`);
}

/** Removes what interrupted writes of `path` left behind. */
export async function removeLeftovers(path: string): Promise<void> {
  const prefix = `.${basename(path)}.writing-`;
  const siblings = await readdir(dirname(path)).catch(() => []);
  for (const name of siblings) {
    if (name.startsWith(prefix)) await rm(join(dirname(path), name), { recursive: true, force: true });
  }
}

/** Writes a file and waits until the disk has it. */
export async function writeFileDurably(path: string, bytes: Uint8Array | string): Promise<void> {
  const handle = await open(path, 'wx');
  try {
    await handle.writeFile(bytes);
    await handle.sync();
  } finally {
    await handle.close();
  }
}

/** Waits until the disk has a folder's entries. Systems that cannot open a folder (Windows) skip it. */
export async function syncFolder(path: string): Promise<void> {
  const handle = await open(path, 'r').catch(() => undefined);
  try {
    await handle?.sync().catch(() => {});
  } finally {
    await handle?.close();
  }
}

/**
 * Writes beside the file, flushes, renames.
 *
 * @throws WriteError if any of it fails; the file is then as before.
 */
export async function writeFileAtomically(path: string, bytes: Uint8Array | string): Promise<void> {
  const temporary = temporarySibling(path);
  try {
    await writeFileDurably(temporary, bytes);
    await rename(temporary, path);
    await syncFolder(dirname(path));
  } catch (cause) {
    await rm(temporary, { force: true }).catch(() => {});
    throw new WriteError(path, cause);
  }
}
