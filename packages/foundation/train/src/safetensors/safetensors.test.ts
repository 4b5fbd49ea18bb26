import { mkdtempSync, readdirSync, readFileSync, rmSync, truncateSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { tf, tree, useEngine } from '@tesserae/tensor';
import { expectClose, expectNoLeak } from '@tesserae/tensor/testing';
import fc from 'fast-check';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { encodeSafetensors, openSafetensors, readSafetensors, SafetensorsError, writeSafetensors } from '../index.ts';
import { duplicateKey } from './duplicate-key.ts';

const folder = mkdtempSync(join(tmpdir(), 'safetensors-'));
beforeAll(() => useEngine('cpu'));
afterAll(() => rmSync(folder, { recursive: true }));

/** A file out of a header and a buffer, however wrong. */
function file(header: unknown, buffer: Uint8Array | number[] = [], length?: bigint): Uint8Array {
  const json = new TextEncoder().encode(typeof header === 'string' ? header : JSON.stringify(header));
  const bytes = new Uint8Array(8 + json.length + buffer.length);
  new DataView(bytes.buffer).setBigUint64(0, length ?? BigInt(json.length), true);
  bytes.set(json, 8);
  bytes.set(buffer, 8 + json.length);
  return bytes;
}

/** `save_file({...}, metadata={'a': 'b'})` of an f16, f64, i64, u8, bool and a scalar f32 array. */
const PYTHON =
  'cAEAAAAAAAB7Il9fbWV0YWRhdGFfXyI6eyJhIjoiYiJ9LCJpNjQiOnsiZHR5cGUiOiJJNjQiLCJzaGFwZSI6WzFdLCJkYXRhX29m' +
  'ZnNldHMiOlswLDhdfSwiZjY0Ijp7ImR0eXBlIjoiRjY0Iiwic2hhcGUiOlsxXSwiZGF0YV9vZmZzZXRzIjpbOCwxNl19LCJzIjp7' +
  'ImR0eXBlIjoiRjMyIiwic2hhcGUiOltdLCJkYXRhX29mZnNldHMiOlsxNiwyMF19LCJmMTYiOnsiZHR5cGUiOiJGMTYiLCJzaGFw' +
  'ZSI6WzEsMl0sImRhdGFfb2Zmc2V0cyI6WzIwLDI0XX0sInU4Ijp7ImR0eXBlIjoiVTgiLCJzaGFwZSI6WzFdLCJkYXRhX29mZnNl' +
  'dHMiOlsyNCwyNV19LCJiIjp7ImR0eXBlIjoiQk9PTCIsInNoYXBlIjpbMV0sImRhdGFfb2Zmc2V0cyI6WzI1LDI2XX19ICAgICAg' +
  'IPn/////////mpmZmZmZuT8AACBAADwAOP8B';

const raw = (array: { buffer: ArrayBufferLike }): Uint8Array => new Uint8Array(array.buffer);

/** Reads a file of one tensor `x`. */
async function readOne(
  dtype: string,
  shape: number[],
  buffer: Uint8Array,
): Promise<{ values: number[]; dtype: string }> {
  const { tensors } = await readSafetensors(file({ x: { dtype, shape, data_offsets: [0, buffer.length] } }, buffer));
  const x = tensors.x as tf.Tensor;
  const result = { values: [...x.dataSync()], dtype: x.dtype };
  x.dispose();
  return result;
}

describe('round trip', () => {
  test('tensors of every dtype, shape and size, with metadata', async () => {
    const path = join(folder, 'round.safetensors');
    const tensors = tf.tidy(() => ({
      flags: tf.tensor1d([true, false, true], 'bool'),
      weight: tf.tensor2d([1, -2.5, Math.fround(1e-38), 3.4e38], [2, 2]),
      ids: tf.tensor1d([-2147483648, 2147483647], 'int32'),
      scalar: tf.scalar(7),
      empty: tf.zeros([0, 4]),
    }));
    await expectNoLeak(() => writeSafetensors(path, tensors, { who: 'tesserae "äö"' }));
    const content = await readSafetensors(path);
    expect(content.metadata).toEqual({ who: 'tesserae "äö"' });
    for (const [name, tensor] of Object.entries(tensors)) {
      const read = content.tensors[name] as tf.Tensor;
      expect([read.dtype, read.shape]).toEqual([tensor.dtype, tensor.shape]);
      expect([...read.dataSync()]).toEqual([...tensor.dataSync()]);
    }
    tree.dispose([tensors, content.tensors]);
    expect(readdirSync(folder)).toEqual(['round.safetensors']);
  });

  test('the bytes are those of the format: an 8-aligned buffer, JSON, little endian', async () => {
    const bytes = await encodeSafetensors({ a: { data: Float32Array.of(1), shape: [1], dtype: 'float32' } });
    const header = '{"a":{"dtype":"F32","shape":[1],"data_offsets":[0,4]}}';
    const padded = header.padEnd(56);
    expect(new TextDecoder().decode(bytes.subarray(8, 64))).toBe(padded);
    expect([...bytes.subarray(0, 8)]).toEqual([56, 0, 0, 0, 0, 0, 0, 0]);
    expect([...bytes.subarray(64)]).toEqual([0, 0, 128, 63]);
  });

  test('bytes are written as U8, a quarter of int32, and read as int32', async () => {
    const bytes = await encodeSafetensors({
      pixels: { data: Uint8Array.of(0, 127, 255), shape: [3], dtype: 'uint8' },
      mean: { data: Float32Array.of(0.5), shape: [1], dtype: 'float32' },
    });
    const { tensors } = await readSafetensors(bytes);
    expect(tensors['pixels']?.dtype).toBe('int32');
    expect([...((await tensors['pixels']?.data()) as Int32Array)]).toEqual([0, 127, 255]);
    expect([...((await tensors['mean']?.data()) as Float32Array)]).toEqual([0.5]);
    for (const tensor of Object.values(tensors)) tensor.dispose();
  });

  test('a Buffer is bytes like any other', async () => {
    const data = Float32Array.of(1, 2);
    const bytes = Buffer.from(await encodeSafetensors({ a: { data, shape: [2], dtype: 'float32' } }));
    const { tensors } = await readSafetensors(bytes);
    expectClose(tensors.a!, data);
    tree.dispose(tensors);
  });

  test('NaN and infinities survive bit by bit', async () => {
    const data = new Float32Array(Uint32Array.of(0x7fc00001, 0x7f800000, 0x80000000).buffer);
    const bytes = await encodeSafetensors({ a: { data, shape: [3], dtype: 'float32' } });
    await using opened = await openSafetensors(bytes);
    const { data: read } = await opened.values('a');
    expect([...new Uint32Array(read.buffer)]).toEqual([0x7fc00001, 0x7f800000, 0x80000000]);
  });
});

describe('formats of other writers', () => {
  test('half precisions and F64 become float32', async () => {
    expect(await readOne('F16', [3], raw(Uint16Array.of(0x3c00, 0xc000, 0x0001)))).toEqual({
      values: [1, -2, 2 ** -24],
      dtype: 'float32',
    });
    expect(await readOne('BF16', [3], raw(Uint16Array.of(0x3f80, 0xc000, 0x7f80)))).toEqual({
      values: [1, -2, Infinity],
      dtype: 'float32',
    });
    const { values } = await readOne('F64', [2], raw(Float64Array.of(0.1, 1e300)));
    expect(values).toEqual([Math.fround(0.1), Infinity]);
  });

  test('integers become int32 if they fit', async () => {
    expect((await readOne('U8', [2], Uint8Array.of(0, 255))).values).toEqual([0, 255]);
    expect((await readOne('I8', [1], Uint8Array.of(255))).values).toEqual([-1]);
    expect((await readOne('I16', [1], raw(Int16Array.of(-300)))).values).toEqual([-300]);
    expect((await readOne('U16', [1], raw(Uint16Array.of(65535)))).values).toEqual([65535]);
    expect(await readOne('I64', [2], raw(BigInt64Array.of(-5n, 7n)))).toEqual({ values: [-5, 7], dtype: 'int32' });
    await expect(readOne('I64', [2], raw(BigInt64Array.of(1n, 2n ** 31n)))).rejects.toThrow(
      /tensor 'x': element 1 is 2147483648, which does not fit into int32/,
    );
    await expect(readOne('U32', [1], raw(Uint32Array.of(2 ** 31)))).rejects.toThrow(/does not fit/);
    expect(await readOne('BOOL', [2], Uint8Array.of(0, 1))).toEqual({ values: [0, 1], dtype: 'bool' });
    await expect(readOne('BOOL', [2], Uint8Array.of(0, 2))).rejects.toThrow(/element 1 of a BOOL tensor is 2/);
    await expect(readOne('F8_E4M3', [1], Uint8Array.of(0))).rejects.toThrow(/format F8_E4M3 cannot be read/);
  });

  test('a file that Python wrote (safetensors 0.8.0, numpy 2.4.6)', async () => {
    const { tensors, metadata } = await readSafetensors(Buffer.from(PYTHON, 'base64'));
    const read = Object.entries(tensors).map(([name, x]) => [name, x.dtype, x.shape, [...x.dataSync()]]);
    expect(new Set(read)).toEqual(
      new Set([
        ['i64', 'int32', [1], [-7]],
        ['f64', 'float32', [1], [Math.fround(0.1)]],
        ['s', 'float32', [], [2.5]],
        ['f16', 'float32', [1, 2], [1, 0.5]],
        ['u8', 'int32', [1], [255]],
        ['b', 'bool', [1], [1]],
      ]),
    );
    expect(metadata).toEqual({ a: 'b' });
    tree.dispose(tensors);
  });

  test('a tensor called __proto__ is just a tensor', async () => {
    const bytes = file('{"__proto__":{"dtype":"U8","shape":[1],"data_offsets":[0,1]}}', [7]);
    await using opened = await openSafetensors(bytes);
    expect(opened.names).toEqual(['__proto__']);
    expect((await opened.values('__proto__')).data[0]).toBe(7);
  });
});

describe('lazy reads', () => {
  test('one tensor at a time; the rest of the file is not needed', async () => {
    const path = join(folder, 'lazy.safetensors');
    using a = tf.tensor1d([1, 2]);
    using b = tf.tensor1d([3]);
    await writeSafetensors(path, { a, b });
    await using opened = await openSafetensors(path);
    expect(opened.info('b')).toEqual({ format: 'F32', shape: [1], begin: 8, end: 12 });
    expect(opened.info('c')).toBeUndefined();
    using read = await opened.tensor('b');
    expectClose(read, [3]);
    await expect(opened.tensor('c')).rejects.toThrow(/lazy.safetensors: there is no tensor 'c', only 'a', 'b'/);
  });
});

describe('hostile and broken files', () => {
  const u8 = (begin: number, end: number): unknown => ({
    dtype: 'U8',
    shape: [end - begin],
    data_offsets: [begin, end],
  });
  const cases: [string, Uint8Array, RegExp][] = [
    ['empty', new Uint8Array(), /has 0 bytes, too few/],
    ['seven bytes', new Uint8Array(7), /has 7 bytes, too few/],
    ['no header', new Uint8Array(8), /does not begin with '\{'/],
    ['endless header', file('{}', [], 2n ** 63n), /announce a header of 9223372036854775808 bytes, above the limit/],
    ['header past the end', file('{}', [], 3n), /the header has 3 bytes, but only 2 follow. The file is truncated/],
    ['another kind of file', new TextEncoder().encode('PK\u0003\u0004 this is a zip file'), /not a safetensors file/],
    ['an array', file('[]'), /does not begin with/],
    ['broken JSON', file('{"a":'), /not valid JSON/],
    ['broken UTF-8', file('{"a\u0000": 1}').map((byte) => (byte === 0x61 ? 0xff : byte)), /not valid JSON/],
    [
      'duplicate names',
      file('{"a":{"dtype":"U8","shape":[0],"data_offsets":[0,0]},"\\u0061":1}'),
      /has the key 'a' twice/,
    ],
    ['duplicate entries', file('{"a":{"dtype":"U8","dtype":"F32","shape":[0],"data_offsets":[0,0]}}'), /'dtype' twice/],
    ['entry of another kind', file({ a: 3 }), /entry 'a' must be an object, got 3/],
    ['metadata that is no string', file({ __metadata__: { a: 1 } }), /metadata 'a' must be a string, got 1/],
    ['unknown dtype', file({ a: { dtype: 'F7', shape: [0], data_offsets: [0, 0] } }), /unknown dtype "F7"/],
    ['negative size', file({ a: { dtype: 'U8', shape: [-1], data_offsets: [0, 0] } }), /shape \[-1\]/],
    ['fractional size', file({ a: { dtype: 'U8', shape: [0.5], data_offsets: [0, 0] } }), /shape \[0.5\]/],
    ['one offset', file({ a: { dtype: 'U8', shape: [0], data_offsets: [0] } }), /not a pair of offsets/],
    ['offsets reversed', file({ a: { dtype: 'U8', shape: [0], data_offsets: [1, 0] } }, [1]), /lies at \[1, 0\)/],
    ['past the buffer', file({ a: u8(0, 9) }, [1]), /lies at \[0, 9\) of a buffer of 1 bytes. The file is truncated/],
    [
      'size and shape differ',
      file({ a: { dtype: 'F32', shape: [2], data_offsets: [0, 4] } }, [0, 0, 0, 0]),
      /needs 8 bytes, but has 4/,
    ],
    [
      'product overflows',
      file({ a: { dtype: 'F32', shape: [2 ** 40, 2 ** 40], data_offsets: [0, 0] } }),
      /needs .* bytes, but has 0/,
    ],
    ['overlap', file({ a: u8(0, 2), b: u8(1, 3) }, [1, 2, 3]), /'b' begins at byte 1, inside of the tensor before/],
    ['hole', file({ a: u8(0, 1), b: u8(2, 3) }, [1, 2, 3]), /bytes 1 to 2 belong to no tensor/],
    ['rest', file({ a: u8(0, 1) }, [1, 2, 3]), /bytes 1 to 3 belong to no tensor/],
    ['extra entries', file({ a: { ...(u8(0, 1) as object), strides: [1] } }, [1]), /unknown entry 'strides'/],
    ['deep nesting', file(`{"a":${'['.repeat(100_000)}${']'.repeat(100_000)}}`), /must be an object|not valid JSON/],
  ];
  test.each(cases)('%s', async (_, bytes, message) => {
    await expect(readSafetensors(bytes)).rejects.toThrow(SafetensorsError);
    await expect(readSafetensors(bytes)).rejects.toThrow(message);
  });

  test('messages name the file', async () => {
    const path = join(folder, 'cut.safetensors');
    using a = tf.ones([100]);
    await writeSafetensors(path, { a });
    truncateSync(path, 200);
    await expect(readSafetensors(path)).rejects.toThrow(/cut.safetensors: tensor 'a' lies at .* The file is truncated/);
    await expect(readSafetensors(join(folder, 'none'))).rejects.toThrow(/none: cannot be opened \(ENOENT/);
    await expect(readSafetensors(folder)).rejects.toThrow(/is not a file/);
  });

  test('any mutation of a good file is read or refused, and never anything else', async () => {
    using weight = tf.tensor2d([1, 2, 3, 4], [2, 2]);
    using flags = tf.tensor1d([true, false], 'bool');
    const good = await encodeSafetensors({ weight, flags }, { a: 'b' });
    const mutation = fc.record({
      at: fc.nat(good.length - 1),
      kind: fc.constantFrom('set', 'cut', 'insert', 'remove', 'swap'),
      byte: fc.oneof(fc.nat(255), fc.constantFrom(...'{}[]",:0123456789eE-\\'.split('').map((c) => c.charCodeAt(0)))),
      length: fc.integer({ min: 1, max: 12 }),
    });
    const before = tf.memory().numTensors;
    await fc.assert(
      fc.asyncProperty(fc.array(mutation, { minLength: 1, maxLength: 4 }), async (mutations) => {
        let bytes = [...good];
        for (const { at, kind, byte, length } of mutations) {
          if (kind === 'set') bytes[at % bytes.length] = byte;
          if (kind === 'cut') bytes = bytes.slice(0, at);
          if (kind === 'insert') bytes.splice(at, 0, ...(Array(length).fill(byte) as number[]));
          if (kind === 'remove') bytes.splice(at, length);
          if (kind === 'swap') bytes = [...bytes.slice(at), ...bytes.slice(0, at)];
          if (bytes.length === 0) break;
        }
        try {
          const { tensors } = await readSafetensors(Uint8Array.from(bytes));
          tree.dispose(tensors);
        } catch (error) {
          if (!(error instanceof SafetensorsError)) throw error;
        }
        return tf.memory().numTensors === before;
      }),
      { numRuns: 2000, seed: 1 },
    );
  });

  test('any JSON header is read or refused', async () => {
    await fc.assert(
      fc.asyncProperty(
        fc.dictionary(fc.string(), fc.jsonValue()),
        fc.uint8Array({ maxLength: 8 }),
        async (header, buffer) => {
          await readSafetensors(file(header, buffer)).then(
            ({ tensors }) => tree.dispose(tensors),
            (error: unknown) => {
              if (!(error instanceof SafetensorsError)) throw error;
            },
          );
        },
      ),
      { numRuns: 500, seed: 2 },
    );
  });
});

describe('duplicateKey', () => {
  test('agrees with a parser that keeps all keys', () => {
    fc.assert(
      fc.property(fc.jsonValue(), (value) => duplicateKey(JSON.stringify(value)) === undefined),
      { seed: 3 },
    );
    expect(duplicateKey('{"a":{"b":1},"b":[{"b":2},{"b":3}],"c":"a"}')).toBeUndefined();
    expect(duplicateKey('{"a":[{"x":1,"y":"\\"x\\"","x":2}]}')).toBe('x');
  });
});

describe('writing', () => {
  test('what cannot be written says so and leaves the old file', async () => {
    const path = join(folder, 'old.safetensors');
    using a = tf.ones([2]);
    await writeSafetensors(path, { a });
    const before = readFileSync(path);
    using complex = tf.complex([1], [2]);
    await expect(writeSafetensors(path, { a: complex })).rejects.toThrow(/'a' of complex64 cannot be written/);
    await expect(writeSafetensors(path, { __metadata__: a })).rejects.toThrow(/no name for a tensor/);
    const short = { data: Float32Array.of(1), shape: [2], dtype: 'float32' as const };
    await expect(writeSafetensors(path, { a: short })).rejects.toThrow(/needs 2 values of 4 bytes, got 1/);
    expect(readFileSync(path)).toEqual(before);
    writeFileSync(join(folder, 'file'), '');
    await expect(writeSafetensors(join(folder, 'file', 'x'), { a })).rejects.toThrow(/a part of the path is a file/);
    await expect(writeSafetensors(join(folder, 'no', 'x'), { a })).rejects.toThrow(/the folder does not exist/);
  });
});
