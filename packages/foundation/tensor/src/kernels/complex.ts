/**
 * Complex numbers and Fourier transforms on the WebAssembly backend, which has none.
 *
 * A complex64 tensor is one block of the heap with real and imaginary parts next to each other, eight bytes an element,
 * as NumPy lays them out; the backend counts and frees it like any other block. Transforms run in double precision:
 * radix 2 for powers of two, Bluestein's algorithm (chirp z) for other lengths, so O(n log n) for every n. The CPU backend
 * of TensorFlow.js takes n² for those.
 */
import type * as tf from '@tensorflow/tfjs-core';
import { transformRows } from './fourier.ts';
import { addressOf, floats, sizeOf, type KernelArgs, type WasmBackend } from './wasmBackend.ts';

/** Interleaved parts of a complex64 tensor, in place. Valid until the next allocation. */
function parts(backend: WasmBackend, x: tf.TensorInfo): Float32Array {
  return new Float32Array(backend.wasm.HEAPU8.buffer, addressOf(backend, x), 2 * sizeOf(x.shape));
}

/** The Complex kernel: two real tensors -> complex64. */
export function complex({ inputs, backend }: KernelArgs): tf.TensorInfo {
  const { real, imag } = inputs as { real: tf.TensorInfo; imag: tf.TensorInfo };
  const out = backend.makeOutput(real.shape, 'complex64');
  const [to, re, im] = [parts(backend, out), floats(backend, real), floats(backend, imag)];
  for (let i = 0; i < re.length; i++) {
    to[2 * i] = re[i] as number;
    to[2 * i + 1] = im[i] as number;
  }
  return out;
}

/** The Real (offset 0) and Imag (offset 1) kernels: complex64 -> float32. */
export const partKernel =
  (offset: 0 | 1) =>
  ({ inputs, backend }: KernelArgs): tf.TensorInfo => {
    const { input } = inputs as { input: tf.TensorInfo };
    const out = backend.makeOutput(input.shape, 'float32');
    const to = floats(backend, out);
    if (input.dtype !== 'complex64') {
      // A real tensor: its own real part, and zeros.
      if (offset === 0) to.set(floats(backend, input));
      else to.fill(0);
      return out;
    }
    const from = parts(backend, input);
    for (let i = 0; i < to.length; i++) to[i] = from[2 * i + offset] as number;
    return out;
  };

/** The ComplexAbs kernel: complex64 -> float32. */
export function complexAbs({ inputs, backend }: KernelArgs): tf.TensorInfo {
  const { x } = inputs as { x: tf.TensorInfo };
  const out = backend.makeOutput(x.shape, 'float32');
  const [to, from] = [floats(backend, out), parts(backend, x)];
  for (let i = 0; i < to.length; i++) to[i] = Math.hypot(from[2 * i] as number, from[2 * i + 1] as number);
  return out;
}

/** The FFT and IFFT kernels, along the last axis: complex64 [..., n] -> complex64 [..., n]. */
export const fourierKernel =
  (inverse: boolean) =>
  ({ inputs, backend }: KernelArgs): tf.TensorInfo => {
    const { input } = inputs as { input: tf.TensorInfo };
    const out = backend.makeOutput(input.shape, 'complex64');
    const to = parts(backend, out);
    to.set(parts(backend, input));
    transformRows(to, input.shape.at(-1) ?? 1, inverse);
    return out;
  };

const patched = new WeakSet<WasmBackend>();

/** Teaches the backend to hand out complex64 values: interleaved, as other backends do. */
export function readComplex(backend: WasmBackend): void {
  if (patched.has(backend)) return;
  patched.add(backend);
  const readSync = backend.readSync.bind(backend) as (
    dataId: tf.DataId,
    ...range: never[]
  ) => tf.backend_util.BackendValues;
  // The backend's own kernels read a part with two further arguments.
  backend.readSync = (dataId, ...range: never[]) => {
    const entry = backend.dataIdMap.get(dataId) as unknown as { dtype: tf.DataType; shape: number[] };
    if (entry.dtype !== 'complex64') return readSync(dataId, ...range);
    return parts(backend, { dataId, shape: entry.shape, dtype: 'complex64' }).slice();
  };
  const read = backend.read.bind(backend) as (
    dataId: tf.DataId,
    ...range: never[]
  ) => Promise<tf.backend_util.BackendValues>;
  backend.read = (dataId, ...range: never[]) => {
    const entry = backend.dataIdMap.get(dataId) as unknown as { dtype: tf.DataType };
    return entry.dtype === 'complex64' ? Promise.resolve(backend.readSync(dataId)) : read(dataId, ...range);
  };
}
