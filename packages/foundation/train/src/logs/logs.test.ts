import { appendFileSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, describe, expect, test } from 'vitest';
import { JsonlLog, readJsonl, TensorBoardWriter } from '../index.ts';
import { crc32c, maskedCrc32c } from './crc32c.ts';

const folder = mkdtempSync(join(tmpdir(), 'logs-'));
afterAll(() => rmSync(folder, { recursive: true }));

const text = (string: string): Uint8Array => new TextEncoder().encode(string);

/** Bitwise CRC-32C with the polynomial as the standard writes it, most significant bit first: nothing like ours. */
function slowCrc32c(bytes: Uint8Array): number {
  const reflect = (value: bigint, bits: number): bigint =>
    BigInt(`0b${value.toString(2).padStart(bits, '0').split('').reverse().join('')}`);
  let crc = 0xffffffffn;
  for (const byte of bytes) {
    crc ^= reflect(BigInt(byte), 8) << 24n;
    for (let i = 0; i < 8; i++) crc = crc & 0x80000000n ? ((crc << 1n) ^ 0x1edc6f41n) & 0xffffffffn : crc << 1n;
  }
  return Number(reflect(crc, 32) ^ 0xffffffffn);
}

describe('CRC-32C', () => {
  test('known answers of RFC 3720 and of the check value', () => {
    expect(crc32c(text('123456789'))).toBe(0xe3069283);
    expect(crc32c(new Uint8Array(32))).toBe(0x8a9136aa);
    expect(crc32c(new Uint8Array(32).fill(0xff))).toBe(0x62a8ab43);
    expect(crc32c(Uint8Array.from({ length: 32 }, (_, i) => i))).toBe(0x46dd794e);
    expect(crc32c(text('tesserae'))).toBe(slowCrc32c(text('tesserae')));
  });
});

/** A message of protocol buffers as [field, wire type, value], parsed from the specification. */
type Field = readonly [number, number, bigint | number | Uint8Array];
function parseMessage(bytes: Uint8Array): Field[] {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.length);
  const fields: Field[] = [];
  let at = 0;
  const varint = (): bigint => {
    let value = 0n;
    for (let shift = 0n; ; shift += 7n) {
      const byte = BigInt(view.getUint8(at++));
      value |= (byte & 0x7fn) << shift;
      if (byte < 0x80n) return value;
    }
  };
  while (at < bytes.length) {
    const tag = Number(varint());
    const [field, wire] = [tag >> 3, tag & 7];
    if (wire === 0) fields.push([field, wire, varint()]);
    else if (wire === 1) fields.push([field, wire, view.getFloat64((at += 8) - 8, true)]);
    else if (wire === 5) fields.push([field, wire, view.getFloat32((at += 4) - 4, true)]);
    else if (wire === 2) {
      const length = Number(varint());
      fields.push([field, wire, bytes.subarray(at, (at += length))]);
    } else throw new Error(`wire type ${wire}`);
  }
  return fields;
}

/** Records of a TFRecord file, with both checksums verified bit by bit. */
function parseRecords(bytes: Uint8Array): Uint8Array[] {
  const unmask = (masked: number): number => {
    const rotated = (masked - 0xa282ead8) >>> 0;
    return ((rotated >>> 17) | (rotated << 15)) >>> 0;
  };
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.length);
  const records: Uint8Array[] = [];
  for (let at = 0; at < bytes.length;) {
    const length = Number(view.getBigUint64(at, true));
    expect(unmask(view.getUint32(at + 8, true))).toBe(slowCrc32c(bytes.subarray(at, at + 8)));
    const data = bytes.subarray(at + 12, at + 12 + length);
    expect(unmask(view.getUint32(at + 12 + length, true))).toBe(slowCrc32c(data));
    records.push(data);
    at += 16 + length;
  }
  return records;
}

describe('TensorBoardWriter', () => {
  test('an independent parser reads scalars, pictures and the session back', () => {
    const writer = new TensorBoardWriter(join(folder, 'board'), 300);
    writer.scalars(301, { loss: 0.5, 'terms/größe': Infinity });
    writer.scalars(302, {});
    writer.image(400, 'samples', { height: 2, width: 300, bytes: Uint8Array.of(1, 2, 3) });
    expect(writer.file).toMatch(/events\.out\.tfevents\.\d{10}\./);
    const events = parseRecords(new Uint8Array(readFileSync(writer.file))).map(parseMessage);
    expect(events.length).toBe(4);
    for (const event of events) {
      expect(event[0]![0]).toBe(1);
      expect(Math.abs((event[0]![2] as number) - Date.now() / 1000)).toBeLessThan(60);
    }
    const decode = (value: unknown): string => new TextDecoder().decode(value as Uint8Array);
    expect(events[0]!.slice(1)).toEqual([
      [2, 0, 0n],
      [3, 2, text('brain.Event:2')],
    ]);
    expect(events[1]!.slice(1)).toEqual([
      [2, 0, 300n],
      [7, 2, Uint8Array.of(8, 1)],
    ]);
    expect(events[2]![1]).toEqual([2, 0, 301n]);
    const scalars = parseMessage(events[2]![2]![2] as Uint8Array).map(([field, , value]) => {
      expect(field).toBe(1);
      const [tag, number] = parseMessage(value as Uint8Array);
      return [decode(tag![2]), number![0], number![2]];
    });
    expect(scalars).toEqual([
      ['loss', 2, 0.5],
      ['terms/größe', 2, Infinity],
    ]);
    const [picture] = parseMessage(events[3]![2]![2] as Uint8Array);
    const [tag, image] = parseMessage(picture![2] as Uint8Array);
    expect([decode(tag![2]), image![0]]).toEqual(['samples', 4]);
    expect(parseMessage(image![2] as Uint8Array)).toEqual([
      [1, 0, 2n],
      [2, 0, 300n],
      [3, 0, 3n],
      [4, 2, Uint8Array.of(1, 2, 3)],
    ]);
  });

  test('the mask of a checksum is that of TensorFlow', () => {
    const crc = crc32c(text('abc'));
    expect(maskedCrc32c(text('abc'))).toBe(Number((BigInt((crc >>> 15) | (crc << 17)) + 0xa282ead8n) & 0xffffffffn));
  });

  test('a folder that cannot be made is named', () => {
    writeFileSync(join(folder, 'file'), '');
    expect(() => new TensorBoardWriter(join(folder, 'file', 'x'))).toThrow(
      /file.x: cannot be written: a part of the path/,
    );
  });
});

describe('JsonlLog', () => {
  test('a resumed run drops lines of later steps and a line that was cut off', async () => {
    const file = join(folder, 'deep', 'log.jsonl');
    const first = await JsonlLog.open(file, 0);
    for (const step of [10, 20, 30]) first.write({ step, loss: step === 20 ? NaN : 1 / step });
    appendFileSync(file, '{"step":4');
    expect(readJsonl(file).map(({ step }) => step)).toEqual([10, 20, 30]);
    const second = await JsonlLog.open(file, 20);
    second.write({ step: 25 });
    expect(readJsonl(file)).toEqual([{ step: 10, loss: 0.1 }, { step: 20, loss: 'NaN' }, { step: 25 }]);
    await JsonlLog.open(file, 0);
    expect(readJsonl(file)).toEqual([]);
  });
});
