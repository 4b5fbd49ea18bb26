/**
 * Compiled programs on disk, so that the second start of an app compiles nothing.
 *
 *     <home>/programs/<key>.xla   one program; the key is a SHA-256 over all that it depends on (engine-identity.ts)
 *
 * A file is a head of 88 bytes and the payload: magic with the format's version (8 bytes), kind (u32), zero (u32), length
 * of the payload (u64), the key (32), the payload's SHA-256 (32). A file that differs from that in anything is deleted and
 * counts as absent: truncated, damaged and foreign ones never reach the plugin. Files appear under their name complete
 * (temporary name, then rename), so that any number of processes may read, write and evict at once. Past the limit the
 * least recently used go first; a use sets the file's time of modification.
 */
import { createHash, randomBytes } from 'node:crypto';
import {
  lstatSync,
  mkdirSync,
  readFileSync,
  readdirSync,
  renameSync,
  rmSync,
  utimesSync,
  writeFileSync,
} from 'node:fs';
import { join } from 'node:path';
import { tesseraeHome } from '@tesserae/downloads';

/** Raised with every change of the format. */
const magic = Buffer.from('TESSXLA1', 'latin1');
const headBytes = 88;
const kinds = { program: 1, refusal: 2 } as const;
const suffix = '.xla';
/** Temporary files this old belong to a process that died. */
const staleMilliseconds = 60 * 60 * 1000;

/** What is kept under a key: a program, or the reason why the plugin cannot give it as bytes. */
export type StoredExecutable =
  { readonly kind: 'program'; readonly bytes: Uint8Array } | { readonly kind: 'refusal'; readonly reason: string };

/** One file of the store. */
export interface StoredFile {
  readonly path: string;
  readonly bytes: number;
  readonly lastUsed: Date;
}

/** Options of a store. */
export interface ExecutableStoreConfig {
  /** Default `<home>/programs`, where home follows `TESSERAE_HOME`. */
  readonly folder?: string;
  /** Bytes that all files together may take; default 2 GiB. */
  readonly maxBytes?: number;
}

/** See the file header. */
export class ExecutableStore {
  readonly folder: string;
  readonly maxBytes: number;
  /** Bytes of all files as far as this process knows. */
  #bytes: number | undefined;
  #writable = true;

  constructor(config: ExecutableStoreConfig = {}) {
    this.folder = config.folder ?? join(tesseraeHome(), 'programs');
    this.maxBytes = config.maxBytes ?? 2 * 2 ** 30;
    if (!(this.maxBytes > 0))
      throw new RangeError(`ExecutableStore: maxBytes must be above 0, but got ${this.maxBytes}.`);
  }

  /** What is kept under a key (64 hexadecimal digits); undefined if nothing usable is. */
  read(key: string): StoredExecutable | undefined {
    const path = this.#path(key);
    let file: Buffer;
    try {
      // A pipe would never end, a link leads to what is not ours.
      if (!lstatSync(path).isFile()) {
        discard(path);
        return undefined;
      }
      file = readFileSync(path);
    } catch {
      return undefined; // absent, or not for us: compiling is always possible
    }
    const found = decode(file, key);
    if (found === undefined) {
      discard(path);
      return undefined;
    }
    try {
      const now = new Date();
      utimesSync(path, now, now);
    } catch {
      // Evicted by another process, or read-only: it only looks older than it is.
    }
    return found;
  }

  /** Keeps something under a key. Where that is impossible, says so once and goes on without. */
  write(key: string, value: StoredExecutable): void {
    if (!this.#writable) return;
    const file = encode(key, value);
    if (file.byteLength > this.maxBytes) return;
    const temporary = join(this.folder, `.${key}.${process.pid}.${randomBytes(6).toString('hex')}`);
    try {
      mkdirSync(this.folder, { recursive: true, mode: 0o700 });
      this.#bytes ??= this.#total();
      writeFileSync(temporary, file, { mode: 0o600, flag: 'wx' });
      this.#rename(temporary, this.#path(key));
      this.#bytes += file.byteLength;
      if (this.#bytes > this.maxBytes) this.#evict();
    } catch (error) {
      this.#writable = false;
      discard(temporary);
      const why = error instanceof Error ? error.message : String(error);
      process.emitWarning(
        `xla: compiled programs cannot be kept in ${this.folder} (${why}); the next start compiles again.`,
      );
    }
  }

  /** Forgets a key. */
  remove(key: string): void {
    discard(this.#path(key));
  }

  /** All files, the least recently used first. */
  list(): StoredFile[] {
    return this.#entries()
      .filter(({ path }) => path.endsWith(suffix))
      .sort((a, b) => a.lastUsed.getTime() - b.lastUsed.getTime());
  }

  /** Deletes all files, also those under way; returns how many programs there were. */
  clear(): number {
    const entries = this.#entries();
    for (const { path } of entries) discard(path);
    this.#bytes = undefined;
    return entries.filter(({ path }) => path.endsWith(suffix)).length;
  }

  #rename(temporary: string, path: string): void {
    try {
      renameSync(temporary, path);
    } catch (error) {
      // Only a folder is in a file's way, and a folder of that name is no program.
      if (lstatSync(path, { throwIfNoEntry: false })?.isDirectory() !== true) throw error;
      discard(path);
      renameSync(temporary, path);
    }
  }

  #path(key: string): string {
    return join(this.folder, `${key}${suffix}`);
  }

  #total(): number {
    return this.#entries().reduce((sum, { bytes }) => sum + bytes, 0);
  }

  /** Files of ours, finished or not; others in the folder are left alone. */
  #entries(): StoredFile[] {
    let names: string[];
    try {
      names = readdirSync(this.folder);
    } catch {
      return [];
    }
    const entries: StoredFile[] = [];
    for (const name of names) {
      if (!/^(?:[0-9a-f]{64}\.xla|\.[0-9a-f]{64}\.\d+\.[0-9a-f]+)$/.test(name)) continue;
      const path = join(this.folder, name);
      const entry = lstatSync(path, { throwIfNoEntry: false });
      if (entry?.isFile()) entries.push({ path, bytes: entry.size, lastUsed: entry.mtime });
    }
    return entries;
  }

  /** Deletes what was used longest ago until a tenth of the room is free. */
  #evict(): void {
    const entries = this.#entries().sort((a, b) => a.lastUsed.getTime() - b.lastUsed.getTime());
    let total = entries.reduce((sum, { bytes }) => sum + bytes, 0);
    const stale = Date.now() - staleMilliseconds;
    for (const { path, bytes, lastUsed } of entries) {
      const underWay = !path.endsWith(suffix);
      if (underWay ? lastUsed.getTime() > stale : total <= 0.9 * this.maxBytes) continue;
      discard(path);
      total -= bytes;
    }
    this.#bytes = total;
  }
}

function encode(key: string, value: StoredExecutable): Buffer {
  const payload = value.kind === 'program' ? value.bytes : Buffer.from(value.reason);
  const file = Buffer.alloc(headBytes + payload.byteLength);
  magic.copy(file, 0);
  file.writeUInt32LE(kinds[value.kind], 8);
  file.writeBigUInt64LE(BigInt(payload.byteLength), 16);
  file.write(key, 24, 'hex');
  createHash('sha256').update(payload).digest().copy(file, 56);
  file.set(payload, headBytes);
  return file;
}

function decode(file: Buffer, key: string): StoredExecutable | undefined {
  if (file.byteLength < headBytes || !file.subarray(0, 8).equals(magic)) return undefined;
  const payload = file.subarray(headBytes);
  if (file.readUInt32LE(12) !== 0 || file.readBigUInt64LE(16) !== BigInt(payload.byteLength)) return undefined;
  if (file.toString('hex', 24, 56) !== key) return undefined;
  if (!createHash('sha256').update(payload).digest().equals(file.subarray(56, headBytes))) return undefined;
  const kind = file.readUInt32LE(8);
  if (kind === kinds.program) return { kind: 'program', bytes: payload };
  return kind === kinds.refusal ? { kind: 'refusal', reason: payload.toString() } : undefined;
}

/** Deletes what can be deleted: another process, or a read-only disk, may be in the way. */
function discard(path: string): void {
  try {
    rmSync(path, { force: true, recursive: true });
  } catch {
    // It stays, and is found wanting again.
  }
}
