/**
 * The header of a safetensors file, and all its rules (https://github.com/huggingface/safetensors#format).
 *
 * A file is 8 bytes with the length of the header (little endian), the header as JSON, and a buffer. Checked here, so
 * that a hostile file does no harm: the header is at most 100 MB and inside the file, begins with `{`, is UTF-8, has no
 * key twice; offsets lie inside the buffer, agree with shape and format, do not overlap and leave no hole.
 */
import { DTYPE_BYTES } from './dtype.ts';
import { duplicateKey } from './duplicate-key.ts';
import { SafetensorsError } from './errors.ts';

/** Longest header that is accepted, as in the reference implementation. */
export const MAX_HEADER_BYTES = 100_000_000;

/** Where a tensor lies in a file. */
export interface TensorInfo {
  /** `F32`, `BF16`, … */
  readonly format: string;
  readonly shape: readonly number[];
  /** First byte, counted from the beginning of the buffer. */
  readonly begin: number;
  /** One past the last byte. */
  readonly end: number;
}

/** A parsed header. */
export interface Header {
  /** By name, in the order of the file. */
  readonly tensors: ReadonlyMap<string, TensorInfo>;
  /** The `__metadata__` entry; empty if there is none. */
  readonly metadata: Readonly<Record<string, string>>;
}

/**
 * The length of the header from the first 8 bytes.
 *
 * @param fileBytes - Size of the whole file.
 */
export function headerLength(prefix: Uint8Array, fileBytes: number, file: string): number {
  if (fileBytes < 8 || prefix.length < 8) {
    throw new SafetensorsError(`${file}: has ${fileBytes} bytes, too few for a safetensors file. It may be truncated.`);
  }
  const length = new DataView(prefix.buffer, prefix.byteOffset, 8).getBigUint64(0, true);
  if (length > BigInt(MAX_HEADER_BYTES)) {
    throw new SafetensorsError(
      `${file}: the first 8 bytes announce a header of ${length} bytes, above the limit of ${MAX_HEADER_BYTES}. This is not a safetensors file.`,
    );
  }
  if (8 + Number(length) > fileBytes) {
    throw new SafetensorsError(
      `${file}: the header has ${length} bytes, but only ${fileBytes - 8} follow. The file is truncated or not a safetensors file.`,
    );
  }
  return Number(length);
}

/**
 * Parses and checks a header.
 *
 * @param bytes - The header alone.
 * @param bufferBytes - Number of bytes that follow it in the file.
 * @param file - Name for messages.
 */
export function parseHeader(bytes: Uint8Array, bufferBytes: number, file: string): Header {
  const fail = (problem: string): never => {
    throw new SafetensorsError(`${file}: ${problem}`);
  };
  if (bytes[0] !== 0x7b) fail("the header does not begin with '{'. This is not a safetensors file.");
  const parsed = parseJson(bytes, file);
  const metadata: [string, string][] = [];
  const tensors: [string, TensorInfo][] = [];
  for (const [name, entry] of Object.entries(parsed)) {
    if (typeof entry !== 'object' || entry === null || Array.isArray(entry)) {
      fail(`header entry '${name}' must be an object, got ${shown(entry)}.`);
    }
    if (name === '__metadata__') {
      for (const [key, value] of Object.entries(entry as object)) {
        if (typeof value !== 'string') fail(`metadata '${key}' must be a string, got ${shown(value)}.`);
        metadata.push([key, value as string]);
      }
    } else {
      tensors.push([name, parseInfo(name, entry as Record<string, unknown>, bufferBytes, fail)]);
    }
  }
  checkLayout(tensors, bufferBytes, fail);
  return { tensors: new Map(tensors), metadata: Object.fromEntries(metadata) };
}

type Fail = (problem: string) => never;

function parseJson(bytes: Uint8Array, file: string): Record<string, unknown> {
  let text: string;
  let parsed: unknown;
  try {
    text = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true }).decode(bytes);
    parsed = JSON.parse(text);
  } catch (cause) {
    throw new SafetensorsError(`${file}: the header is not valid JSON (${(cause as Error).message}).`, { cause });
  }
  const twice = duplicateKey(text);
  if (twice !== undefined) throw new SafetensorsError(`${file}: the header has the key '${twice}' twice.`);
  return parsed as Record<string, unknown>;
}

function parseInfo(name: string, entry: Record<string, unknown>, bufferBytes: number, fail: Fail): TensorInfo {
  const { dtype, shape, data_offsets: offsets } = entry;
  const unknown = Object.keys(entry).find((key) => !['dtype', 'shape', 'data_offsets'].includes(key));
  if (unknown !== undefined) fail(`tensor '${name}' has the unknown entry '${unknown}'.`);
  const bytesEach = typeof dtype === 'string' ? DTYPE_BYTES.get(dtype) : undefined;
  if (bytesEach === undefined) return fail(`tensor '${name}' has the unknown dtype ${shown(dtype)}.`);
  if (!isSizes(shape)) return fail(`tensor '${name}' has the shape ${shown(shape)}: not a list of sizes.`);
  if (!isSizes(offsets) || offsets.length !== 2) {
    return fail(`tensor '${name}' has the data_offsets ${shown(offsets)}: not a pair of offsets.`);
  }
  const [begin, end] = offsets as [number, number];
  if (begin > end || end > bufferBytes) {
    fail(
      `tensor '${name}' lies at [${begin}, ${end}) of a buffer of ${bufferBytes} bytes. The file is truncated or damaged.`,
    );
  }
  const expected = shape.reduce((product, size) => product * size, bytesEach);
  if (!Number.isSafeInteger(expected) || expected !== end - begin) {
    fail(`tensor '${name}' of ${String(dtype)} [${shape.join(', ')}] needs ${expected} bytes, but has ${end - begin}.`);
  }
  return { format: dtype as string, shape, begin, end };
}

/** A value in a message: short, and without recursion, since the value may be nested as deeply as the file is long. */
function shown(value: unknown): string {
  if (Array.isArray(value)) {
    const items = value.slice(0, 8).map((item) => (typeof item === 'object' && item !== null ? '…' : shown(item)));
    return `[${items.join(', ')}${value.length > 8 ? ', …' : ''}]`;
  }
  if (typeof value === 'object' && value !== null) return 'an object';
  return (JSON.stringify(value) ?? 'nothing').slice(0, 80);
}

function isSizes(value: unknown): value is number[] {
  return Array.isArray(value) && value.every((size) => Number.isSafeInteger(size) && size >= 0);
}

/** The buffer is covered by the tensors exactly: nothing overlaps, nothing is left. */
function checkLayout(tensors: readonly [string, TensorInfo][], bufferBytes: number, fail: Fail): void {
  const sorted = [...tensors].sort(([, a], [, b]) => a.begin - b.begin || a.end - b.end);
  let position = 0;
  for (const [name, { begin, end }] of sorted) {
    if (begin < position) fail(`tensor '${name}' begins at byte ${begin}, inside of the tensor before it.`);
    if (begin > position) fail(`bytes ${position} to ${begin} belong to no tensor.`);
    position = end;
  }
  if (position !== bufferBytes) fail(`bytes ${position} to ${bufferBytes} belong to no tensor.`);
}
