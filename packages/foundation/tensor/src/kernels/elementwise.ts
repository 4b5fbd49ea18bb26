/**
 * Elementwise kernels of two or three operands on the WebAssembly backend, as loops over its heap.
 *
 * The backend's own compiled loops for these (maximum, comparisons, mod, select, …) take 4 to 150 ns an element where
 * shapes differ; a JavaScript loop over collapsed axes takes about 1. Arithmetic (add, sub, mul, div) stays with
 * XNNPACK, which is faster still, except past the six axes that it knows.
 */
import * as tf from '@tensorflow/tfjs-core';
import { collapse, eachRow, operandStrides, type Block } from './strided.ts';
import { sizeOf, values, type KernelArgs } from './wasmBackend.ts';

/**
 * One row of a binary operation: out[k + c] = f(a[i + c da], b[j + c db]) for c < n.
 *
 * Each operation has a loop of its own, written out: a shared loop that calls a function is compiled once for all of
 * them, with a real call for every element, and is 10 times slower.
 */
type Row = (a: Block, i: number, da: number, b: Block, j: number, db: number, out: Block, k: number, n: number) => void;

/** A kernel of two operands with broadcasting. The result has dtype `dtype`, or that of the first operand. */
function binaryKernel(row: Row, dtype?: 'bool'): tf.KernelFunc {
  return (args) => {
    const { inputs, backend } = args as unknown as KernelArgs;
    const { a, b } = inputs as { a: tf.TensorInfo; b: tf.TensorInfo };
    const shape = tf.broadcast_util.assertAndGetBroadcastShape(a.shape, b.shape);
    const out = backend.makeOutput(shape, dtype ?? a.dtype);
    if (sizeOf(shape) === 0) return out;
    const loop = collapse(shape, operandStrides(shape, [a.shape, b.shape]));
    const [va, vb, to] = [values(backend, a), values(backend, b), values(backend, out)];
    const n = loop.sizes.at(-1) as number;
    const [da, db] = loop.strides.map((list) => list.at(-1)) as [number, number];
    let k = 0;
    eachRow(loop, ([i, j]) => {
      row(va, i as number, da, vb, j as number, db, to, k, n);
      k += n;
    });
    return out;
  };
}

/** The Select kernel: t where the condition holds, else e. All three have one shape, or the condition one axis. */
export function select(args: {
  inputs: tf.NamedTensorInfoMap;
  attrs?: tf.NamedAttrMap;
  backend: unknown;
}): tf.TensorInfo {
  const { inputs, backend } = args as unknown as KernelArgs;
  const { condition, t, e } = inputs as { condition: tf.TensorInfo; t: tf.TensorInfo; e: tf.TensorInfo };
  const out = backend.makeOutput(t.shape, t.dtype);
  const size = sizeOf(t.shape);
  if (size === 0) return out;
  // Bits are picked with masks, not branches: on mixed conditions a branch is guessed wrong half of the time.
  const bits = (x: tf.TensorInfo): Int32Array | Uint8Array =>
    values(backend, { ...x, dtype: x.dtype === 'bool' ? 'bool' : 'int32' }) as Int32Array | Uint8Array;
  const c = values(backend, condition);
  const [from, other, to] = [t, e, out].map(bits) as [Int32Array, Int32Array, Int32Array];
  // Elements that share one condition.
  const run = size / c.length;
  if (run === 1) {
    for (let i = 0; i < size; i++) {
      const mask = -(c[i] as number);
      to[i] = ((from[i] as number) & mask) | ((other[i] as number) & ~mask);
    }
  } else {
    for (let i = 0; i < c.length; i++) {
      to.set((c[i] !== 0 ? from : other).subarray(i * run, (i + 1) * run), i * run);
    }
  }
  return out;
}

/** Kernels of two operands by name. Maximum and minimum are NaN where either operand is. */
export const binaryKernels: Record<string, tf.KernelFunc> = {
  Maximum: binaryKernel((a, i, da, b, j, db, out, k, n) => {
    for (let c = 0; c < n; c++, i += da, j += db) {
      const x = a[i] as number;
      const y = b[j] as number;
      out[k + c] = Math.max(x, y);
    }
  }),
  Minimum: binaryKernel((a, i, da, b, j, db, out, k, n) => {
    for (let c = 0; c < n; c++, i += da, j += db) {
      const x = a[i] as number;
      const y = b[j] as number;
      out[k + c] = Math.min(x, y);
    }
  }),
  Mod: binaryKernel((a, i, da, b, j, db, out, k, n) => {
    for (let c = 0; c < n; c++, i += da, j += db) {
      const y = b[j] as number;
      const rest = (a[i] as number) % y;
      // The remainder takes the sign of the divisor.
      out[k + c] = rest !== 0 && rest < 0 !== y < 0 ? rest + y : rest;
    }
  }),
  FloorDiv: binaryKernel((a, i, da, b, j, db, out, k, n) => {
    for (let c = 0; c < n; c++, i += da, j += db) {
      const x = a[i] as number;
      const y = b[j] as number;
      out[k + c] = Math.floor(x / y);
    }
  }),
  Pow: binaryKernel((a, i, da, b, j, db, out, k, n) => {
    for (let c = 0; c < n; c++, i += da, j += db) {
      const x = a[i] as number;
      const y = b[j] as number;
      out[k + c] = x ** y;
    }
  }),
  Atan2: binaryKernel((a, i, da, b, j, db, out, k, n) => {
    for (let c = 0; c < n; c++, i += da, j += db) {
      const x = a[i] as number;
      const y = b[j] as number;
      out[k + c] = Math.atan2(x, y);
    }
  }),
  Equal: binaryKernel((a, i, da, b, j, db, out, k, n) => {
    for (let c = 0; c < n; c++, i += da, j += db) {
      const x = a[i] as number;
      const y = b[j] as number;
      out[k + c] = x === y ? 1 : 0;
    }
  }, 'bool'),
  NotEqual: binaryKernel((a, i, da, b, j, db, out, k, n) => {
    for (let c = 0; c < n; c++, i += da, j += db) {
      const x = a[i] as number;
      const y = b[j] as number;
      out[k + c] = x !== y ? 1 : 0;
    }
  }, 'bool'),
  Greater: binaryKernel((a, i, da, b, j, db, out, k, n) => {
    for (let c = 0; c < n; c++, i += da, j += db) {
      const x = a[i] as number;
      const y = b[j] as number;
      out[k + c] = x > y ? 1 : 0;
    }
  }, 'bool'),
  GreaterEqual: binaryKernel((a, i, da, b, j, db, out, k, n) => {
    for (let c = 0; c < n; c++, i += da, j += db) {
      const x = a[i] as number;
      const y = b[j] as number;
      out[k + c] = x >= y ? 1 : 0;
    }
  }, 'bool'),
  Less: binaryKernel((a, i, da, b, j, db, out, k, n) => {
    for (let c = 0; c < n; c++, i += da, j += db) {
      const x = a[i] as number;
      const y = b[j] as number;
      out[k + c] = x < y ? 1 : 0;
    }
  }, 'bool'),
  LessEqual: binaryKernel((a, i, da, b, j, db, out, k, n) => {
    for (let c = 0; c < n; c++, i += da, j += db) {
      const x = a[i] as number;
      const y = b[j] as number;
      out[k + c] = x <= y ? 1 : 0;
    }
  }, 'bool'),
  LogicalAnd: binaryKernel((a, i, da, b, j, db, out, k, n) => {
    for (let c = 0; c < n; c++, i += da, j += db) {
      const x = a[i] as number;
      const y = b[j] as number;
      out[k + c] = x & y;
    }
  }, 'bool'),
  LogicalOr: binaryKernel((a, i, da, b, j, db, out, k, n) => {
    for (let c = 0; c < n; c++, i += da, j += db) {
      const x = a[i] as number;
      const y = b[j] as number;
      out[k + c] = x | y;
    }
  }, 'bool'),
};

/** Arithmetic beyond the six axes of XNNPACK. */
export const arithmeticKernels: Record<string, tf.KernelFunc> = {
  Add: binaryKernel((a, i, da, b, j, db, out, k, n) => {
    for (let c = 0; c < n; c++, i += da, j += db) {
      const x = a[i] as number;
      const y = b[j] as number;
      out[k + c] = x + y;
    }
  }),
  Sub: binaryKernel((a, i, da, b, j, db, out, k, n) => {
    for (let c = 0; c < n; c++, i += da, j += db) {
      const x = a[i] as number;
      const y = b[j] as number;
      out[k + c] = x - y;
    }
  }),
  Multiply: binaryKernel((a, i, da, b, j, db, out, k, n) => {
    for (let c = 0; c < n; c++, i += da, j += db) {
      const x = a[i] as number;
      const y = b[j] as number;
      out[k + c] = x * y;
    }
  }),
  RealDiv: binaryKernel((a, i, da, b, j, db, out, k, n) => {
    for (let c = 0; c < n; c++, i += da, j += db) {
      const x = a[i] as number;
      const y = b[j] as number;
      out[k + c] = x / y;
    }
  }),
  SquaredDifference: binaryKernel((a, i, da, b, j, db, out, k, n) => {
    for (let c = 0; c < n; c++, i += da, j += db) {
      const x = a[i] as number;
      const y = b[j] as number;
      out[k + c] = (x - y) ** 2;
    }
  }),
};
