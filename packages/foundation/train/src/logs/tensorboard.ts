/**
 * Event files that TensorBoard reads: TFRecord framing around `Event` messages of protocol buffers, written by hand,
 * since two messages do not need a library.
 *
 * Record: length (uint64), masked CRC-32C of the length, data, masked CRC-32C of the data; little endian.
 * Event: 1 wall_time (double), 2 step (int64), 3 file_version (string), 5 summary, 7 session_log.
 * Summary.Value: 1 tag, 2 simple_value (float), 4 image (1 height, 2 width, 3 colorspace, 4 bytes).
 */
import { appendFileSync, mkdirSync } from 'node:fs';
import { hostname } from 'node:os';
import { join } from 'node:path';
import { WriteError } from '../atomic-write.ts';
import { maskedCrc32c } from './crc32c.ts';

/** A picture for TensorBoard's image tab. */
export interface EncodedImage {
  readonly height: number;
  readonly width: number;
  /** 1 grey, 3 RGB, 4 RGBA. Default 3. */
  readonly channels?: number;
  /** PNG, JPEG or GIF. */
  readonly bytes: Uint8Array;
}

/** Appends events to a new file in a folder. */
export class TensorBoardWriter {
  /** The event file. */
  readonly file: string;

  /**
   * @param folder - Made if needed.
   * @param step - Where the run begins; TensorBoard drops what an earlier, interrupted run logged from there on.
   * @throws WriteError if the folder cannot be written to.
   */
  constructor(folder: string, step: number = 0) {
    const now = Date.now();
    const name = `events.out.tfevents.${Math.floor(now / 1000)}.${hostname()}.${process.pid}.${now % 1000}`;
    this.file = join(folder, name);
    try {
      mkdirSync(folder, { recursive: true });
    } catch (cause) {
      throw new WriteError(folder, cause);
    }
    this.#write(textField(3, 'brain.Event:2'), 0);
    // SessionLog { status: START }: what purges the steps that will be done again.
    this.#write(bytesField(7, varintField(1, 1)), step);
  }

  /** Adds numbers at a step; those that are not finite are written as they are. */
  scalars(step: number, values: Readonly<Record<string, number>>): void {
    const summary = Object.entries(values).map(([tag, value]) =>
      bytesField(1, concat([textField(1, tag), floatField(2, value)])),
    );
    if (summary.length > 0) this.#write(bytesField(5, concat(summary)), step);
  }

  /** Adds a picture at a step. */
  image(step: number, tag: string, image: EncodedImage): void {
    const { height, width, channels = 3, bytes } = image;
    const message = concat([
      varintField(1, height),
      varintField(2, width),
      varintField(3, channels),
      bytesField(4, bytes),
    ]);
    this.#write(bytesField(5, bytesField(1, concat([textField(1, tag), bytesField(4, message)]))), step);
  }

  #write(content: Uint8Array, step: number): void {
    const event = concat([doubleField(1, Date.now() / 1000), varintField(2, step), content]);
    try {
      appendFileSync(this.file, record(event));
    } catch (cause) {
      throw new WriteError(this.file, cause);
    }
  }
}

/** A TFRecord. */
function record(data: Uint8Array): Uint8Array {
  const bytes = new Uint8Array(16 + data.length);
  const view = new DataView(bytes.buffer);
  view.setBigUint64(0, BigInt(data.length), true);
  view.setUint32(8, maskedCrc32c(bytes.subarray(0, 8)), true);
  bytes.set(data, 12);
  view.setUint32(12 + data.length, maskedCrc32c(data), true);
  return bytes;
}

function concat(parts: readonly Uint8Array[]): Uint8Array {
  const joined = new Uint8Array(parts.reduce((sum, part) => sum + part.length, 0));
  let offset = 0;
  for (const part of parts) {
    joined.set(part, offset);
    offset += part.length;
  }
  return joined;
}

/** Seven bits a byte, lowest first. */
function varint(value: number): Uint8Array {
  const bytes: number[] = [];
  let rest = value;
  do {
    const low = rest % 128;
    rest = Math.floor(rest / 128);
    bytes.push(rest > 0 ? low | 0x80 : low);
  } while (rest > 0);
  return Uint8Array.from(bytes);
}

function varintField(field: number, value: number): Uint8Array {
  return concat([varint(field * 8), varint(value)]);
}

function bytesField(field: number, bytes: Uint8Array): Uint8Array {
  return concat([varint(field * 8 + 2), varint(bytes.length), bytes]);
}

function textField(field: number, text: string): Uint8Array {
  return bytesField(field, new TextEncoder().encode(text));
}

function floatField(field: number, value: number): Uint8Array {
  return concat([varint(field * 8 + 5), new Uint8Array(Float32Array.of(value).buffer)]);
}

function doubleField(field: number, value: number): Uint8Array {
  return concat([varint(field * 8 + 1), new Uint8Array(Float64Array.of(value).buffer)]);
}
