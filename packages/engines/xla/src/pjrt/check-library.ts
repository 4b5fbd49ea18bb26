/**
 * Looks at a shared library before the loader does. The loader maps what the head of the file promises, and a file that
 * was cut short then kills the process with SIGBUS instead of giving an error.
 *
 * ELF, 64-bit, little endian: the head at 0 says where the program heads (each with an offset and a size in the file) and
 * the section heads are; https://refspecs.linuxfoundation.org/elf/gabi4+/ch4.eheader.html.
 */
import { closeSync, fstatSync, openSync, readSync } from 'node:fs';

const machines: Readonly<Record<string, number>> = { x64: 62, arm64: 183 };
const names: Readonly<Record<number, string>> = { 3: '32-bit x86', 40: '32-bit ARM', 62: 'x86-64', 183: '64-bit ARM' };

/**
 * Why the file cannot be opened as a library on this machine, as the end of a sentence about it; undefined if nothing
 * speaks against it. On systems other than Linux nothing is looked at.
 */
export function whyUnloadable(path: string): string | undefined {
  if (process.platform !== 'linux') return undefined;
  let file: number;
  try {
    file = openSync(path, 'r');
  } catch (error) {
    return `cannot be read: ${error instanceof Error ? error.message : String(error)}.`;
  }
  try {
    const stats = fstatSync(file);
    if (!stats.isFile()) return 'is not a file.';
    const head = Buffer.alloc(64);
    const got = readSync(file, head, 0, 64, 0);
    if (got < 4 || head.readUInt32BE(0) !== 0x7f454c46) return 'is no shared library (its first bytes are not ELF).';
    if (got < 64) return `is cut short: it has ${stats.size} bytes.`;
    if (head[4] !== 2 || head[5] !== 1) return 'is no 64-bit little-endian library.';
    const machine = head.readUInt16LE(18);
    const wanted = machines[process.arch];
    if (wanted !== undefined && machine !== wanted) {
      return `is for another processor: ${names[machine] ?? `machine ${machine}`}, not ${names[wanted]}.`;
    }
    if (head.readUInt16LE(16) !== 3) return 'is an ELF file, but no shared library.';
    const needed = bytesPromised(file, head, stats.size);
    return stats.size < needed ? `is cut short: it has ${stats.size} of ${needed} bytes.` : undefined;
  } finally {
    closeSync(file);
  }
}

/** How long the file must be for its program heads, their contents and the section heads. */
function bytesPromised(file: number, head: Buffer, size: number): number {
  const [programs, sections] = [Number(head.readBigUInt64LE(32)), Number(head.readBigUInt64LE(40))];
  const [programSize, programCount] = [head.readUInt16LE(54), head.readUInt16LE(56)];
  const table = programs + programSize * programCount;
  let end = Math.max(table, sections + head.readUInt16LE(58) * head.readUInt16LE(60));
  if (table > size || programSize < 56) return end;
  const entries = Buffer.alloc(programSize * programCount);
  readSync(file, entries, 0, entries.byteLength, programs);
  for (let at = 0; at < entries.byteLength; at += programSize) {
    end = Math.max(end, Number(entries.readBigUInt64LE(at + 8)) + Number(entries.readBigUInt64LE(at + 32)));
  }
  return end;
}
