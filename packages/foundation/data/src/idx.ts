/**
 * The IDX format of MNIST and its relatives: big-endian header `0 0 type rank`, one 32-bit size for each axis, then the
 * values. Only unsigned bytes are read, the one type those sets use. https://yann.lecun.com/exdb/mnist
 *
 * Files are taken for hostile: every size is checked against the bytes there are before anything is allocated.
 */

/** An array of bytes read from an IDX file. */
export interface IdxArray {
  readonly shape: readonly number[];
  /** The values: a view of the bytes given. */
  readonly data: Uint8Array;
}

const UNSIGNED_BYTE = 8;

/**
 * @param bytes - A whole file, decompressed.
 * @param name - The file, for messages.
 * @throws Error when it is no IDX file of bytes, or its length is not what the header says.
 */
export function parseIdx(bytes: Uint8Array, name: string): IdxArray {
  const fail = (what: string): never => {
    throw new Error(`parseIdx: ${name} ${what}`);
  };
  if (bytes.length < 4 || bytes[0] !== 0 || bytes[1] !== 0)
    fail('is not an IDX file: it does not begin with two zeros');
  if (bytes[2] !== UNSIGNED_BYTE) fail(`holds values of type ${bytes[2]}, only unsigned bytes (8) are read`);
  const rank = bytes[3] as number;
  if (rank < 1 || rank > 4) fail(`has ${rank} axes, expected 1 to 4`);
  const start = 4 + 4 * rank;
  if (bytes.length < start) fail(`is truncated: ${bytes.length} bytes, the header alone has ${start}`);
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  const shape = Array.from({ length: rank }, (_, axis) => view.getUint32(4 + 4 * axis));
  const size = shape.reduce((product, side) => product * side, 1); // a float64: too large is too large, never negative
  if (bytes.length - start !== size) {
    fail(`has ${bytes.length - start} bytes of values where its shape [${shape.join(', ')}] needs ${size}`);
  }
  return { shape, data: bytes.subarray(start) };
}
