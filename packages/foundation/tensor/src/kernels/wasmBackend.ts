/**
 * The parts of the WebAssembly backend of TensorFlow.js that kernels here build on: its heap, its table of tensors, and
 * its matrix product.
 *
 * A tensor of that backend is a block of the heap. Reading it from JavaScript is a typed array over the block, so a loop
 * here costs what a loop over a typed array costs, and a slice of a matrix needs no copy: a view is a second entry in
 * the table for a place inside the block. Allocating may move the heap, so take arrays after the outputs are made.
 */
import type * as tf from '@tensorflow/tfjs-core';

/** One entry of the backend's table. */
interface WasmEntry {
  readonly id: number;
  readonly memoryOffset: number;
  refCount: number;
}

type RawKernel = (...args: (number | boolean | Uint8Array)[]) => void;

/** The WebAssembly backend, as far as it is used here. */
export interface WasmBackend extends tf.KernelBackend {
  readonly wasm: {
    readonly HEAPU8: Uint8Array;
    readonly tfjs: { disposeData(id: number): void };
    cwrap(name: string, result: null, args: string[]): RawKernel;
  };
  readonly dataIdMap: {
    get(dataId: tf.DataId): WasmEntry;
    delete(dataId: tf.DataId): boolean;
  };
  makeOutput(shape: readonly number[], dtype: tf.DataType, memoryOffset?: number): tf.TensorInfo;
}

/** Arguments of a kernel function. */
export interface KernelArgs {
  readonly inputs: Record<string, tf.TensorInfo>;
  readonly attrs: Record<string, unknown>;
  readonly backend: WasmBackend;
}

/** Number of elements of a shape. */
export const sizeOf = (shape: readonly number[]): number => shape.reduce((a, b) => a * b, 1);

/** Byte address of a tensor in the heap. */
export const addressOf = (backend: WasmBackend, x: tf.TensorInfo): number =>
  backend.dataIdMap.get(x.dataId).memoryOffset;

/** The float32 values of a tensor in place. Valid until the next allocation. */
export function floats(backend: WasmBackend, x: tf.TensorInfo): Float32Array {
  return new Float32Array(backend.wasm.HEAPU8.buffer, addressOf(backend, x), sizeOf(x.shape));
}

/** The int32 values of a tensor in place. Valid until the next allocation. */
export function integers(backend: WasmBackend, x: tf.TensorInfo): Int32Array {
  return new Int32Array(backend.wasm.HEAPU8.buffer, addressOf(backend, x), sizeOf(x.shape));
}

/** A tensor's values in place, in the array type of its dtype. Valid until the next allocation. */
export function values(backend: WasmBackend, x: tf.TensorInfo): Float32Array | Int32Array | Uint8Array {
  if (x.dtype === 'float32') return floats(backend, x);
  if (x.dtype === 'int32') return integers(backend, x);
  if (x.dtype === 'bool') {
    return new Uint8Array(backend.wasm.HEAPU8.buffer, addressOf(backend, x), sizeOf(x.shape));
  }
  throw new Error(
    `internal: a WebAssembly kernel was given a tensor of dtype ${x.dtype}; expected float32, int32 or bool.`,
  );
}

/** The same block under another shape, as a new reference to be disposed on its own. */
export function reshaped(backend: WasmBackend, x: tf.TensorInfo, shape: readonly number[]): tf.TensorInfo {
  backend.incRef(x.dataId);
  return { dataId: x.dataId, shape: [...shape], dtype: x.dtype };
}

/** Runs `use` with a float32 matrix at a place inside the heap, which it does not own. */
export function withView<T>(
  backend: WasmBackend,
  address: number,
  shape: readonly number[],
  use: (view: tf.TensorInfo) => T,
): T {
  const view = backend.makeOutput(shape, 'float32', address);
  try {
    return use(view);
  } finally {
    // Not disposeData, which would free memory in the middle of another block.
    backend.wasm.tfjs.disposeData(backend.dataIdMap.get(view.dataId).id);
    backend.dataIdMap.delete(view.dataId);
  }
}

const matMuls = new WeakMap<WasmBackend, RawKernel>();

/** Bytes of an int32 list, as the compiled kernels take shapes. */
const shapeBytes = (shape: readonly number[]): Uint8Array => new Uint8Array(Int32Array.from(shape).buffer);

/**
 * out = a b for float32 matrices, through XNNPACK when nothing is transposed and there is one matrix each; the
 * backend's other paths are 15 to 20 times slower.
 *
 * XNNPACK keeps a packed copy of `b` for as long as the entry of `b` lives, whatever shape `b` is given under later: give
 * it an entry that always means one shape.
 */
export function multiply(
  backend: WasmBackend,
  a: tf.TensorInfo,
  b: tf.TensorInfo,
  out: tf.TensorInfo,
  transposeA = false,
  transposeB = false,
): void {
  let matMul = matMuls.get(backend);
  if (matMul === undefined) {
    const types = ['number', 'array', 'number', 'number', 'array', 'number', 'number', 'number', 'number'];
    matMul = backend.wasm.cwrap('BatchMatMul', null, types);
    matMuls.set(backend, matMul);
  }
  const id = (x: tf.TensorInfo): number => backend.dataIdMap.get(x.dataId).id;
  matMul(id(a), shapeBytes(a.shape), 3, id(b), shapeBytes(b.shape), 3, transposeA, transposeB, id(out));
}
