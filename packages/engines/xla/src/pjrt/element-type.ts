/** Element types: their names in StableHLO, PJRT and TensorFlow.js, and the typed arrays that hold them on the host. */
import type { tf } from '@tesserae/tensor';

/** Types that programs compute with. */
export type ElementType = 'f64' | 'f32' | 'bf16' | 'f16' | 'i32' | 'ui32' | 'ui64' | 'i1' | 'complex<f32>';

/** Types that buffers at the edge of a program have: those of TensorFlow.js. */
export type BufferType = 'f32' | 'i32' | 'i1' | 'complex<f32>';

/** Values on the host. */
export type HostArray = Float32Array | Int32Array | Uint8Array;

const table = {
  f32: { pjrt: 11, bytes: 4 },
  i32: { pjrt: 4, bytes: 4 },
  i1: { pjrt: 1, bytes: 1 },
  'complex<f32>': { pjrt: 14, bytes: 8 },
} as const;

const widths: Readonly<Record<ElementType, number>> = {
  f64: 8,
  f32: 4,
  bf16: 2,
  f16: 2,
  i32: 4,
  ui32: 4,
  ui64: 8,
  i1: 1,
  'complex<f32>': 8,
};

/** Bytes of one element. */
export function elementBytes(type: ElementType): number {
  return widths[type];
}

/** The number of a type in `PJRT_Buffer_Type`. */
export function pjrtType(type: BufferType): number {
  return table[type].pjrt;
}

/** Bytes of `count` elements. */
export function byteSize(type: BufferType, count: number): number {
  return table[type].bytes * count;
}

/** An array for `count` elements. Complex numbers are pairs of floats. */
export function hostArray(type: BufferType, count: number): HostArray {
  if (type === 'i32') return new Int32Array(count);
  if (type === 'i1') return new Uint8Array(count);
  return new Float32Array(type === 'f32' ? count : 2 * count);
}

/** The type that a TensorFlow.js dtype has on the device. */
export function bufferType(dtype: tf.DataType): BufferType {
  if (dtype === 'float32') return 'f32';
  if (dtype === 'int32') return 'i32';
  if (dtype === 'bool') return 'i1';
  if (dtype === 'complex64') return 'complex<f32>';
  throw new TypeError(`xla: dtype '${dtype}' lives on the host only.`);
}

/** The TensorFlow.js dtype of a type at the edge of a program. */
export function dtypeOf(type: ElementType): 'float32' | 'int32' | 'bool' | 'complex64' {
  if (type === 'i1') return 'bool';
  if (type === 'complex<f32>') return 'complex64';
  return type === 'i32' || type === 'ui32' || type === 'ui64' ? 'int32' : 'float32';
}
