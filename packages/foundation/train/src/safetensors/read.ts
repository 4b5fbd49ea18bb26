/** Reading safetensors: all of a file, or one tensor at a time. */
import { type FileHandle, open } from 'node:fs/promises';
import { tf } from '@tesserae/tensor';
import { decodeValues, type HostValues } from './dtype.ts';
import { SafetensorsError } from './errors.ts';
import { type Header, headerLength, parseHeader, type TensorInfo } from './header.ts';

/** What {@link readSafetensors} returns. */
export interface SafetensorsContent {
  /** By name, in the order of the file. The caller owns them: `tree.dispose(tensors)`. */
  readonly tensors: Record<string, tf.Tensor>;
  /** The file's own strings. */
  readonly metadata: Readonly<Record<string, string>>;
}

/**
 * Reads every tensor. See `decodeValues` for what becomes of each number format.
 *
 * @param source - A path, or the bytes of a file.
 * @throws SafetensorsError naming the file and what is wrong with it.
 *
 * @example
 * const { tensors } = await readSafetensors('model.safetensors');
 * model.load(tensors);
 * tree.dispose(tensors);
 */
export async function readSafetensors(source: string | Uint8Array): Promise<SafetensorsContent> {
  await using file = await openSafetensors(source);
  const values: [string, HostValues][] = [];
  // All bytes first: an error half-way leaves no tensors behind.
  for (const name of file.names) values.push([name, await file.values(name)]);
  const tensors = Object.fromEntries(values.map(([name, value]) => [name, toTensor(value)]));
  return { tensors, metadata: file.metadata };
}

/** An open file whose header has been checked. */
export interface SafetensorsFile extends AsyncDisposable {
  /** In the order of the file. */
  readonly names: readonly string[];
  /** The file's own strings. */
  readonly metadata: Readonly<Record<string, string>>;
  /** Format, shape and place of a tensor; undefined for an unknown name. */
  info(name: string): TensorInfo | undefined;
  /** Reads one tensor into main memory. */
  values(name: string): Promise<HostValues>;
  /** Reads one tensor onto the device. The caller owns it. */
  tensor(name: string): Promise<tf.Tensor>;
  /** Closes the file. */
  close(): Promise<void>;
}

/**
 * Opens a file and reads its header alone; tensors are read when asked for.
 *
 * @throws SafetensorsError naming the file and what is wrong with it.
 *
 * @example
 * await using file = await openSafetensors('model.safetensors');
 * using weight = await file.tensor('encoder.in.weight');
 */
export async function openSafetensors(source: string | Uint8Array): Promise<SafetensorsFile> {
  const bytes = typeof source === 'string' ? await FileBytes.open(source) : new MemoryBytes(source);
  try {
    const prefix = await bytes.read(0, Math.min(8, bytes.size));
    const length = headerLength(prefix, bytes.size, bytes.name);
    const header = parseHeader(await bytes.read(8, length), bytes.size - 8 - length, bytes.name);
    return new OpenFile(bytes, header, 8 + length);
  } catch (error) {
    await bytes.close();
    throw error;
  }
}

class OpenFile implements SafetensorsFile {
  readonly names: readonly string[];
  readonly metadata: Readonly<Record<string, string>>;
  readonly #bytes: Bytes;
  readonly #header: Header;
  readonly #start: number;

  constructor(bytes: Bytes, header: Header, start: number) {
    this.names = [...header.tensors.keys()];
    this.metadata = header.metadata;
    this.#bytes = bytes;
    this.#header = header;
    this.#start = start;
  }

  info(name: string): TensorInfo | undefined {
    return this.#header.tensors.get(name);
  }

  async values(name: string): Promise<HostValues> {
    const info = this.info(name);
    if (info === undefined) {
      throw new SafetensorsError(`${this.#bytes.name}: there is no tensor '${name}', only ${listed(this.names)}.`);
    }
    const raw = await this.#bytes.read(this.#start + info.begin, info.end - info.begin);
    return { ...decodeValues(raw, info.format, `${this.#bytes.name}: tensor '${name}'`), shape: info.shape };
  }

  async tensor(name: string): Promise<tf.Tensor> {
    return toTensor(await this.values(name));
  }

  async close(): Promise<void> {
    await this.#bytes.close();
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.close();
  }
}

function toTensor({ data, shape, dtype }: HostValues): tf.Tensor {
  return tf.tensor(data, [...shape], dtype);
}

function listed(names: readonly string[]): string {
  const shown = names.slice(0, 8).map((name) => `'${name}'`);
  return shown.length === 0 ? 'nothing' : shown.join(', ') + (names.length > 8 ? ` and ${names.length - 8} more` : '');
}

/** Random access to bytes. */
interface Bytes {
  /** For messages. */
  readonly name: string;
  readonly size: number;
  read(offset: number, length: number): Promise<Uint8Array>;
  close(): Promise<void>;
}

class MemoryBytes implements Bytes {
  readonly name = 'safetensors data';
  readonly size: number;
  readonly #data: Uint8Array;

  constructor(data: Uint8Array) {
    this.#data = data;
    this.size = data.length;
  }

  read(offset: number, length: number): Promise<Uint8Array> {
    return Promise.resolve(this.#data.subarray(offset, offset + length));
  }

  close(): Promise<void> {
    return Promise.resolve();
  }
}

class FileBytes implements Bytes {
  readonly name: string;
  readonly size: number;
  readonly #handle: FileHandle;

  private constructor(name: string, size: number, handle: FileHandle) {
    this.name = name;
    this.size = size;
    this.#handle = handle;
  }

  static async open(path: string): Promise<FileBytes> {
    let handle: FileHandle;
    try {
      handle = await open(path, 'r');
    } catch (cause) {
      throw new SafetensorsError(`${path}: cannot be opened (${(cause as Error).message}).`, { cause });
    }
    const status = await handle.stat();
    if (!status.isFile()) {
      await handle.close();
      throw new SafetensorsError(`${path}: is not a file.`);
    }
    return new FileBytes(path, status.size, handle);
  }

  async read(offset: number, length: number): Promise<Uint8Array> {
    const buffer = new Uint8Array(length);
    let done = 0;
    while (done < length) {
      const { bytesRead } = await this.#handle.read(buffer, done, length - done, offset + done);
      if (bytesRead === 0) {
        throw new SafetensorsError(`${this.name}: ends after ${offset + done} bytes. It changed while it was read.`);
      }
      done += bytesRead;
    }
    return buffer;
  }

  async close(): Promise<void> {
    await this.#handle.close();
  }
}
