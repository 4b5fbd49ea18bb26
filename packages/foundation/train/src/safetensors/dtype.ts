/** Number formats of safetensors files, and their way to and from TensorFlow.js's float32, int32 and bool. */
import { SafetensorsError } from './errors.ts';

/** Bytes of one number, for every format that a header may name. */
export const DTYPE_BYTES: ReadonlyMap<string, number> = new Map([
  ['BOOL', 1],
  ['U8', 1],
  ['I8', 1],
  ['F8_E4M3', 1],
  ['F8_E5M2', 1],
  ['F16', 2],
  ['BF16', 2],
  ['I16', 2],
  ['U16', 2],
  ['F32', 4],
  ['I32', 4],
  ['U32', 4],
  ['F64', 8],
  ['I64', 8],
  ['U64', 8],
]);

/** Dtypes of TensorFlow.js that a tensor can be read as. */
export type HostDtype = 'float32' | 'int32' | 'bool';

/** Bytes to write as U8, such as the pixels of pictures. Reading gives them as int32. */
export interface HostBytes {
  readonly data: Uint8Array;
  readonly shape: readonly number[];
  readonly dtype: 'uint8';
}

/** Values of one tensor in main memory. */
export interface HostValues {
  readonly data: Float32Array | Int32Array | Uint8Array;
  readonly shape: readonly number[];
  readonly dtype: HostDtype;
}

/**
 * Numbers of a tensor from its bytes.
 *
 * F32, F16 and BF16 become float32 exactly; F64 becomes float32, rounded; I32, I16, I8, U16 and U8 become int32; I64,
 * U32 and U64 become int32 if every value fits; BOOL becomes bool.
 *
 * @param where - For messages: the file and the tensor's name.
 * @throws SafetensorsError for a format without a counterpart, or an integer that does not fit.
 */
export function decodeValues(bytes: Uint8Array, format: string, where: string): Omit<HostValues, 'shape'> {
  // A copy, so that the view is aligned and does not hold on to the whole file (a Buffer's `slice` would be a view).
  const { buffer } = new Uint8Array(bytes);
  switch (format) {
    case 'F32':
      return { data: new Float32Array(buffer), dtype: 'float32' };
    case 'F16':
      return { data: Float32Array.from(new Float16Array(buffer)), dtype: 'float32' };
    case 'BF16': {
      const words = Uint32Array.from(new Uint16Array(buffer), (half) => half << 16);
      return { data: new Float32Array(words.buffer), dtype: 'float32' };
    }
    case 'F64':
      return { data: Float32Array.from(new Float64Array(buffer)), dtype: 'float32' };
    case 'I32':
      return { data: new Int32Array(buffer), dtype: 'int32' };
    case 'I16':
      return { data: Int32Array.from(new Int16Array(buffer)), dtype: 'int32' };
    case 'I8':
      return { data: Int32Array.from(new Int8Array(buffer)), dtype: 'int32' };
    case 'U8':
      return { data: Int32Array.from(new Uint8Array(buffer)), dtype: 'int32' };
    case 'U16':
      return { data: Int32Array.from(new Uint16Array(buffer)), dtype: 'int32' };
    case 'U32':
      return { data: narrow(new Uint32Array(buffer), where), dtype: 'int32' };
    case 'I64':
      return { data: narrow(new BigInt64Array(buffer), where), dtype: 'int32' };
    case 'U64':
      return { data: narrow(new BigUint64Array(buffer), where), dtype: 'int32' };
    case 'BOOL': {
      const data = new Uint8Array(buffer);
      const odd = data.findIndex((value) => value > 1);
      if (odd >= 0)
        throw new SafetensorsError(`${where}: element ${odd} of a BOOL tensor is ${data[odd]}, not 0 or 1.`);
      return { data, dtype: 'bool' };
    }
    default:
      throw new SafetensorsError(
        `${where}: numbers of format ${format} cannot be read. Convert the file to F32, F16, BF16, I32 or BOOL.`,
      );
  }
}

/** Wide integers as int32. */
function narrow(values: Uint32Array | BigInt64Array | BigUint64Array, where: string): Int32Array {
  const narrowed = new Int32Array(values.length);
  values.forEach((value: number | bigint, i: number) => {
    const number = Number(value);
    if (number !== (number | 0)) {
      throw new SafetensorsError(`${where}: element ${i} is ${value}, which does not fit into int32.`);
    }
    narrowed[i] = number;
  });
  return narrowed;
}

/** The format that a dtype of TensorFlow.js, or `uint8`, is written as; undefined if it cannot be. */
export function formatOf(dtype: string): 'F32' | 'I32' | 'U8' | 'BOOL' | undefined {
  return ({ float32: 'F32', int32: 'I32', uint8: 'U8', bool: 'BOOL' } as const)[dtype as HostDtype | 'uint8'];
}
