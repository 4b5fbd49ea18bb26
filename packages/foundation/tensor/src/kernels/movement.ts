/**
 * Slicing, tiling, reversing, casting and one-hot encoding on the WebAssembly backend.
 *
 * The backend's kernels are slow here (tile 400 ns an element) or wrong: stridedSlice returns float32 for integers,
 * reverse mixes up booleans, oneHot writes integers into float32, and a cast to bool keeps the integer part.
 */
import * as tf from '@tensorflow/tfjs-core';
import { stridedSliceInfo } from '../strided-slice.ts';
import { stridedCopy } from './strided.ts';
import { sizeOf, values, type KernelArgs } from './wasmBackend.ts';

const strides = (shape: readonly number[]): number[] => tf.util.computeStrides([...shape, 1]);

/** The Slice kernel. */
export function slice({ inputs, attrs, backend }: KernelArgs): tf.TensorInfo {
  const { x } = inputs as { x: tf.TensorInfo };
  const [begin, size] = tf.slice_util.parseSliceParams(
    x as tf.Tensor,
    attrs['begin'] as number[],
    attrs['size'] as number[],
  ) as [number[], number[]];
  tf.slice_util.assertParamsValid(x, begin, size);
  const out = backend.makeOutput(size, x.dtype);
  if (sizeOf(size) === 0) return out;
  const own = strides(x.shape);
  const base = begin.reduce((sum, at, axis) => sum + at * (own[axis] ?? 1), 0);
  stridedCopy(values(backend, x), base, size, own, values(backend, out));
  return out;
}

/** The SplitV kernel. */
export function splitV({ inputs, attrs, backend }: KernelArgs): tf.TensorInfo[] {
  const { x } = inputs as { x: tf.TensorInfo };
  const axis = tf.util.parseAxisParam(attrs['axis'] as number, x.shape)[0] ?? 0;
  const sizes = tf.backend_util.prepareSplitSize(x as tf.Tensor, attrs['numOrSizeSplits'] as number[], axis);
  const own = strides(x.shape);
  let base = 0;
  return sizes.map((size) => {
    const shape = x.shape.map((n, a) => (a === axis ? size : n));
    const out = backend.makeOutput(shape, x.dtype);
    if (sizeOf(shape) > 0) stridedCopy(values(backend, x), base, shape, own, values(backend, out));
    base += size * (own[axis] ?? 1);
    return out;
  });
}

/** The StridedSlice kernel. */
export function stridedSlice({ inputs, attrs, backend }: KernelArgs): tf.TensorInfo {
  const { x } = inputs as { x: tf.TensorInfo };
  const a = attrs as unknown as tf.StridedSliceAttrs;
  const info = stridedSliceInfo(x.shape, a);
  const shape = tf.slice_util.computeOutShape(info.begin, info.end, info.strides);
  const out = backend.makeOutput(info.finalShape, x.dtype);
  if (sizeOf(shape) === 0) return out;
  const own = strides(x.shape);
  const base = info.begin.reduce((sum, at, axis) => sum + at * (own[axis] ?? 1), 0);
  const steps = info.strides.map((step, axis) => step * (own[axis] ?? 1));
  stridedCopy(values(backend, x), base, shape, steps, values(backend, out));
  return out;
}

/** The Reverse kernel. */
export function reverse({ inputs, attrs, backend }: KernelArgs): tf.TensorInfo {
  const { x } = inputs as { x: tf.TensorInfo };
  const axes = tf.util.parseAxisParam(attrs['dims'] as number[], x.shape);
  const out = backend.makeOutput(x.shape, x.dtype);
  if (sizeOf(x.shape) === 0) return out;
  const own = strides(x.shape);
  let base = 0;
  const steps = x.shape.map((size, axis) => {
    const stride = own[axis] ?? 1;
    if (!axes.includes(axis)) return stride;
    base += (size - 1) * stride;
    return -stride;
  });
  stridedCopy(values(backend, x), base, x.shape, steps, values(backend, out));
  return out;
}

/** The Tile kernel: each axis of size n repeated r times is an axis r that repeats and an axis n that does not. */
export function tile({ inputs, attrs, backend }: KernelArgs): tf.TensorInfo {
  const { x } = inputs as { x: tf.TensorInfo };
  const reps = attrs['reps'] as number[];
  const shape = x.shape.map((size, axis) => size * (reps[axis] ?? 1));
  const out = backend.makeOutput(shape, x.dtype);
  if (sizeOf(shape) === 0) return out;
  const own = strides(x.shape);
  const split = x.shape.flatMap((size, axis) => [reps[axis] ?? 1, size]);
  const steps = x.shape.flatMap((size, axis) => [0, size === 1 ? 0 : (own[axis] ?? 1)]);
  stridedCopy(values(backend, x), 0, split, steps, values(backend, out));
  return out;
}

/** The OneHot kernel: int32 [...] -> [..., depth]. */
export function oneHot({ inputs, attrs, backend }: KernelArgs): tf.TensorInfo {
  const { indices } = inputs as { indices: tf.TensorInfo };
  const { depth, onValue, offValue, dtype } = attrs as unknown as tf.OneHotAttrs;
  const out = backend.makeOutput([...indices.shape, depth], dtype);
  const [at, to] = [values(backend, indices), values(backend, out)];
  to.fill(offValue);
  at.forEach((index: number, row: number) => {
    if (index >= 0 && index < depth) to[row * depth + index] = onValue;
  });
  return out;
}

/** A cast to bool: whether the element is not 0. */
export function castToBool(x: tf.TensorInfo, { backend }: KernelArgs): tf.TensorInfo {
  const out = backend.makeOutput(x.shape, 'bool');
  const [from, to] = [values(backend, x), values(backend, out)];
  for (let i = 0; i < to.length; i++) to[i] = from[i] === 0 ? 0 : 1;
  return out;
}
