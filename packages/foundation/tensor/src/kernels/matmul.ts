/**
 * Matrix products on the WebAssembly backend.
 *
 * Its kernel reaches XNNPACK, about 27 GFLOP/s on one thread, only for two plain matrices; a transposed side or a batch
 * goes through a loop at 2 GFLOP/s. It also gives wrong numbers when a matrix is reshaped after a product, since the
 * packed copy is found by the memory alone, and for broadcast batches and empty sides. Here transposed sides are
 * transposed first, batches are views, and each right side keeps its packing for one shape.
 */
import * as tf from '@tensorflow/tfjs-core';
import {
  addressOf,
  floats,
  multiply,
  reshaped,
  sizeOf,
  withView,
  type KernelArgs,
  type WasmBackend,
} from './wasmBackend.ts';

/** Below this many multiplications a product is not worth XNNPACK's set-up of some microseconds. */
const smallProduct = 8192;

/** The shape under which XNNPACK packed each right side. */
const packedAs = new WeakMap<tf.DataId, string>();

interface Side {
  readonly matrix: tf.TensorInfo;
  /** Whether `matrix` was made here and must be disposed. */
  readonly owned: boolean;
}

/** Swaps the two last axes. [B, M, N] -> [B, N, M] */
function transposeMatrices(backend: WasmBackend, x: tf.TensorInfo): tf.TensorInfo {
  const kernel = tf.getKernel('Transpose', 'wasm');
  const [batch = 1, rows = 1, columns = 1] = x.shape;
  // A single row or column is the same block either way.
  if (rows === 1 || columns === 1) return reshaped(backend, x, [batch, columns, rows]);
  return kernel.kernelFunc({ inputs: { x }, attrs: { perm: [0, 2, 1] }, backend }) as tf.TensorInfo;
}

/** The BatchMatMul kernel: a [..., M, K], b [..., K, N], each perhaps transposed, batch axes broadcast -> [..., M, N]. */
export function batchMatMul({ inputs, attrs, backend }: KernelArgs): tf.TensorInfo {
  const { a, b } = inputs as { a: tf.TensorInfo; b: tf.TensorInfo };
  const transposeA = attrs['transposeA'] === true;
  const transposeB = attrs['transposeB'] === true;
  if (a.dtype !== 'float32' || b.dtype !== 'float32') return inFloat(a, b, attrs, backend);

  const rankA = a.shape.length;
  const rankB = b.shape.length;
  const m = a.shape[rankA - (transposeA ? 1 : 2)] ?? 1;
  const k = a.shape[rankA - (transposeA ? 2 : 1)] ?? 1;
  const n = b.shape[rankB - (transposeB ? 2 : 1)] ?? 1;
  const innerB = b.shape[rankB - (transposeB ? 1 : 2)] ?? 1;
  if (k !== innerB) {
    throw new Error(
      `matMul: expected equal inner sizes, received ${k} and ${innerB} of shapes [${a.shape}] and [${b.shape}] with ` +
        `transposeA=${transposeA} and transposeB=${transposeB}.`,
    );
  }
  const batchA = a.shape.slice(0, -2);
  const batchB = b.shape.slice(0, -2);
  const batch = tf.broadcast_util.assertAndGetBroadcastShape(batchA, batchB);
  const out = backend.makeOutput([...batch, m, n], 'float32');
  if (sizeOf(out.shape) === 0) return out;
  if (k === 0) {
    floats(backend, out).fill(0);
    return out;
  }

  const matricesA = sizeOf(batchA);
  const matricesB = sizeOf(batchB);
  const flat = (x: tf.TensorInfo, shape: number[]): tf.TensorInfo => ({ dataId: x.dataId, shape, dtype: x.dtype });
  const a3 = flat(a, [matricesA, ...(transposeA ? [k, m] : [m, k])]);
  const b3 = flat(b, [matricesB, ...(transposeB ? [n, k] : [k, n])]);

  if (m * n * k <= smallProduct && matricesA === matricesB && (matricesA > 1 || transposeA || transposeB)) {
    multiply(backend, a3, b3, flat(out, [matricesA, m, n]), transposeA, transposeB);
    return out;
  }
  const left: Side = transposeA
    ? { matrix: transposeMatrices(backend, a3), owned: true }
    : { matrix: a3, owned: false };
  const right: Side = transposeB
    ? { matrix: transposeMatrices(backend, b3), owned: true }
    : { matrix: b3, owned: false };

  if (matricesB === 1) {
    // One matrix for the whole batch: a single product over all rows.
    const rows = matricesA * m;
    const whole = flat(out, [1, rows, n]);
    const rowsA = { ...left.matrix, shape: [1, rows, k] };
    multiplyPacked(backend, rowsA, { ...right.matrix, shape: [1, k, n] }, whole);
  } else {
    const indexA = batchIndices(batch, batchA);
    const indexB = batchIndices(batch, batchB);
    const [baseA, baseB, baseOut] = [left.matrix, right.matrix, out].map((x) => addressOf(backend, x)) as [
      number,
      number,
      number,
    ];
    for (let i = 0; i < sizeOf(batch); i++) {
      withView(backend, baseA + 4 * m * k * (indexA[i] ?? 0), [1, m, k], (va) =>
        withView(backend, baseB + 4 * k * n * (indexB[i] ?? 0), [1, k, n], (vb) =>
          withView(backend, baseOut + 4 * m * n * i, [1, m, n], (vo) => multiply(backend, va, vb, vo)),
        ),
      );
    }
  }
  for (const side of [left, right]) if (side.owned) backend.disposeData(side.matrix.dataId);
  return out;
}

/** A product that keeps the packed right side for the next one, if it was packed under this shape. */
function multiplyPacked(backend: WasmBackend, a: tf.TensorInfo, b: tf.TensorInfo, out: tf.TensorInfo): void {
  const shape = `${b.shape[1]}x${b.shape[2]}`;
  const known = packedAs.get(b.dataId);
  if (known === undefined) packedAs.set(b.dataId, shape);
  if (known === undefined || known === shape) {
    multiply(backend, a, b, out);
  } else {
    withView(backend, addressOf(backend, b), b.shape, (view) => multiply(backend, a, view, out));
  }
}

/** For each element of the broadcast batch, the matrix of an operand with batch axes `own`. */
function batchIndices(batch: readonly number[], own: readonly number[]): number[] {
  const lead = batch.length - own.length;
  const strides = tf.util.computeStrides([...own, 1]);
  return Array.from({ length: sizeOf(batch) }, (_, flatIndex) => {
    let rest = flatIndex;
    let index = 0;
    for (let axis = batch.length - 1; axis >= 0; axis--) {
      const size = batch[axis] ?? 1;
      const position = rest % size;
      rest = (rest - position) / size;
      if (axis >= lead && own[axis - lead] !== 1) index += position * (strides[axis - lead] ?? 1);
    }
    return index;
  });
}

/** A product of integers, computed in float32: exact while the sums stay below 2^24. */
function inFloat(a: tf.TensorInfo, b: tf.TensorInfo, attrs: KernelArgs['attrs'], backend: WasmBackend): tf.TensorInfo {
  const cast = (x: tf.TensorInfo, dtype: tf.DataType): tf.TensorInfo =>
    tf.getKernel('Cast', 'wasm').kernelFunc({ inputs: { x }, attrs: { dtype }, backend }) as tf.TensorInfo;
  const [fa, fb] = [cast(a, 'float32'), cast(b, 'float32')];
  const product = batchMatMul({ inputs: { a: fa, b: fb }, attrs, backend });
  const out = cast(product, a.dtype === 'float32' || b.dtype === 'float32' ? 'float32' : 'int32');
  for (const x of [fa, fb, product]) backend.disposeData(x.dataId);
  return out;
}
