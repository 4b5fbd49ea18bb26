/**
 * Fetches one wheel into a file: resumed by a Range request where an earlier try stopped, and kept only if its size
 * and SHA-256 are the pinned ones. Until then it is called `.part`.
 */
import { createHash } from 'node:crypto';
import { createReadStream, createWriteStream } from 'node:fs';
import { copyFile, mkdir, rename, rm, stat } from 'node:fs/promises';
import { dirname } from 'node:path';
import { pipeline } from 'node:stream/promises';
import { setTimeout as delay } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import { HttpStatusError, redacted, request } from './index-request.ts';
import type { PackageIndex } from './package-index.ts';
import { PluginIntegrityError, PluginUnavailableError } from './errors.ts';
import type { WheelPin } from './wheel-pin.ts';

/** What a download needs beside the pin. */
export interface DownloadOptions {
  readonly index: PackageIndex;
  /** Called with the bytes that are there, after every chunk. */
  readonly onBytes?: (bytes: number) => void;
  /** Tries before giving up on a connection that breaks, 5 by default; each resumes the one before. */
  readonly tries?: number;
  /** Milliseconds before the second try, doubled before each later one; 500 by default. */
  readonly retryDelay?: number;
  readonly signal?: AbortSignal;
}

/**
 * Downloads a wheel, or does nothing if the finished file is there already.
 *
 * @param url where the wheel is, from `findFile`
 * @param pin its pinned size and hash
 * @param path where it goes
 * @throws PluginIntegrityError if what arrived is not what was pinned; nothing of it is kept
 * @throws PluginUnavailableError if the connection fails; the part that arrived is kept for the next run
 */
export async function downloadWheel(url: URL, pin: WheelPin, path: string, options: DownloadOptions): Promise<void> {
  await mkdir(dirname(path), { recursive: true });
  const part = `${path}.part`;
  if ((await sizeOf(path)) === pin.bytes && (await hashOf(path)) === pin.sha256) return;
  await rm(path, { force: true });

  if (url.protocol === 'file:') await copyFile(fileURLToPath(url), part);
  else await fetchAll(url, pin, part, options);

  const bytes = await sizeOf(part);
  const sha256 = bytes === pin.bytes ? await hashOf(part) : undefined;
  if (sha256 !== pin.sha256) {
    await rm(part, { force: true });
    throw new PluginIntegrityError(
      `${pin.file} from ${redacted(url.href)} is not the pinned file: expected ${pin.bytes} bytes with SHA-256 ` +
        `${pin.sha256}, received ${bytes} bytes${sha256 ? ` with ${sha256}` : ''}. It was deleted. ` +
        'Run the command again; if it happens again, the index serves another file and must not be trusted for this one.',
    );
  }
  await rename(part, path);
}

async function fetchAll(url: URL, pin: WheelPin, part: string, options: DownloadOptions): Promise<void> {
  const tries = options.tries ?? 5;
  let last: unknown;
  for (let attempt = 0; attempt < tries; attempt++) {
    options.signal?.throwIfAborted();
    if (attempt > 0)
      await delay(Math.min((options.retryDelay ?? 500) * 2 ** (attempt - 1), 5_000), undefined, {
        signal: options.signal,
      });
    const before = await sizeOf(part);
    try {
      await fetchOnce(url, pin, part, options);
      if ((await sizeOf(part)) >= pin.bytes) return;
      last = new Error(`the connection ended at ${await sizeOf(part)} of ${pin.bytes} bytes`);
    } catch (error) {
      if (options.signal?.aborted) throw options.signal.reason;
      if ((error as NodeJS.ErrnoException).code === 'ENOSPC') throw diskFull(part, error);
      // A definite "no" stays one; a server's trouble (5xx, 429) may pass.
      if (error instanceof HttpStatusError && error.status < 500 && error.status !== 429) {
        last = error;
        break;
      }
      last = error;
    }
    // Progress resets the count: a long download over a bad line ends some time.
    if ((await sizeOf(part)) > before) attempt = Math.min(attempt, 0);
  }
  throw new PluginUnavailableError(
    `${pin.file} could not be downloaded: ${last instanceof Error ? last.message : String(last)}.`,
    'Check the network, then run the command again: it goes on where it stopped.',
    { cause: last },
  );
}

async function fetchOnce(url: URL, pin: WheelPin, part: string, options: DownloadOptions): Promise<void> {
  let start = await sizeOf(part);
  if (start > pin.bytes) {
    await rm(part, { force: true });
    start = 0;
  }
  if (start === pin.bytes) return;
  const answer = await request(url, options.index, start > 0 ? { range: `bytes=${start}-` } : {});
  // A server may ignore the range (200), or answer with another one; then the file starts anew.
  const range = /^bytes (\d+)-/.exec(answer.body.headers['content-range'] ?? '');
  const resumed = answer.status === 206 && Number(range?.[1]) === start;
  if (answer.status === 206 && !resumed) {
    answer.body.destroy();
    await rm(part, { force: true });
    throw new Error(`${redacted(url.href)} answered with another range than asked for`);
  }
  let bytes = resumed ? start : 0;
  await pipeline(
    answer.body,
    async function* (source: AsyncIterable<Buffer>) {
      for await (const chunk of source) {
        bytes += chunk.length;
        // One byte too many shows that the file is another one; the size check after this says so.
        yield bytes > pin.bytes + 1 ? chunk.subarray(0, Math.max(0, pin.bytes + 1 - (bytes - chunk.length))) : chunk;
        options.onBytes?.(Math.min(bytes, pin.bytes));
        if (bytes > pin.bytes) return;
      }
    },
    createWriteStream(part, { flags: resumed ? 'a' : 'w' }),
    { ...(options.signal ? { signal: options.signal } : {}) },
  );
}

function diskFull(path: string, cause: unknown): Error {
  return new Error(`The disk is full: ${path} could not be written. Free some space and run the command again.`, {
    cause,
  });
}

async function sizeOf(path: string): Promise<number> {
  return stat(path).then(
    (entry) => entry.size,
    () => 0,
  );
}

async function hashOf(path: string): Promise<string> {
  const hash = createHash('sha256');
  await pipeline(createReadStream(path), hash);
  return hash.digest('hex');
}
