/**
 * Unpacks the needed members of a wheel, streaming, into a folder.
 *
 * The wheel's hash was checked, but nothing written in it is trusted: names with `..`, absolute paths, backslashes or
 * control characters, links, encrypted members, two members of one name, and more bytes than the limits are refused,
 * where bytes are those that were inflated, not those that the archive declares.
 */
import { createWriteStream } from 'node:fs';
import { mkdir } from 'node:fs/promises';
import { dirname, resolve } from 'node:path';
import { pipeline } from 'node:stream/promises';
import { openPromise, type Entry } from 'yauzl';
import { PluginIntegrityError } from './errors.ts';
import { memberPath } from './member-path.ts';

/** Limits of what a wheel may unpack to. */
export interface UnpackLimits {
  /** Bytes of all members together, 4 GiB by default. */
  readonly bytes?: number;
  /** Number of members, wanted or not, 20,000 by default. */
  readonly members?: number;
}

/**
 * Unpacks a wheel.
 *
 * @param wheel path of the zip file
 * @param folder where the members go, by their names
 * @param wanted says which members are needed, by name
 * @returns the names of the unpacked members
 * @throws PluginIntegrityError if the archive is not a safe zip file
 */
export async function unpackWheel(
  wheel: string,
  folder: string,
  wanted: (name: string) => boolean,
  limits: UnpackLimits = {},
): Promise<string[]> {
  const refuse = (problem: string, cause?: unknown): PluginIntegrityError =>
    new PluginIntegrityError(`${wheel} was not unpacked: ${problem}.`, { cause });
  const root = resolve(folder);
  let left = limits.bytes ?? 4 * 2 ** 30;
  let members = limits.members ?? 20_000;
  const names = new Set<string>();

  // Names are decoded but checked here, so that one message tells which member is at fault.
  const zip = await openPromise(wheel, { autoClose: false, strictFileNames: true, validateEntrySizes: true }).catch(
    (error: unknown) => {
      throw refuse(`it is not a readable zip file (${message(error)})`, error);
    },
  );
  try {
    for await (const entry of zip.eachEntry()) {
      if (--members < 0) throw refuse('it has too many members');
      const name = entry.fileName;
      if (name.endsWith('/') || !wanted(name)) continue;
      const target = memberPath(root, name);
      if (target === undefined) {
        throw refuse(`its member ${JSON.stringify(name)} would leave the folder`);
      }
      if (names.has(name)) throw refuse(`it has two members ${JSON.stringify(name)}`);
      if (!isRegularFile(entry)) throw refuse(`its member ${JSON.stringify(name)} is not a plain file`);
      if (entry.isEncrypted()) throw refuse(`its member ${JSON.stringify(name)} is encrypted`);
      names.add(name);
      await mkdir(dirname(target), { recursive: true });
      await pipeline(
        await zip.openReadStreamPromise(entry),
        async function* (source: AsyncIterable<Buffer>) {
          for await (const chunk of source) {
            left -= chunk.length;
            if (left < 0) throw refuse(`it unpacks to more than ${limits.bytes ?? 4 * 2 ** 30} bytes`);
            yield chunk;
          }
        },
        // `wx`: never through a link that something else put there. Libraries and ptxas must be executable.
        createWriteStream(target, { flags: 'wx', mode: 0o755 }),
      );
    }
  } catch (error) {
    if (error instanceof PluginIntegrityError || (error as NodeJS.ErrnoException).code !== undefined) throw error;
    throw refuse(message(error), error);
  } finally {
    zip.close();
  }
  return [...names];
}

// The upper half of the external attributes is the Unix mode; zip tools on other systems leave it 0.
function isRegularFile(entry: Entry): boolean {
  const type = (entry.externalFileAttributes >>> 16) & 0o170000;
  return type === 0 || type === 0o100000;
}

function message(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}
