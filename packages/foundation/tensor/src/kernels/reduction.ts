/**
 * Sums and means on the WebAssembly backend along axes that are not the last ones, such as a bias' gradient. The backend
 * transposes first, 7 ns an element; here rows are added up in place, in double precision.
 */
import * as tf from '@tensorflow/tfjs-core';
import { floats, sizeOf, values, type KernelArgs } from './wasmBackend.ts';

/** Axes as one block: [outer, reduced, inner]; undefined when the axes are not neighbours. */
function neighbours(shape: readonly number[], axes: readonly number[]): [number, number, number] | undefined {
  const sorted = [...axes].sort((a, b) => a - b);
  const first = sorted[0] ?? 0;
  if (sorted.some((axis, i) => axis !== first + i)) return undefined;
  const end = first + sorted.length;
  return [sizeOf(shape.slice(0, first)), sizeOf(shape.slice(first, end)), sizeOf(shape.slice(end))];
}

/**
 * The sum or mean over neighbouring axes that end before the last one, or of an empty tensor; undefined where the
 * backend's own kernel is right and fast.
 */
export function sumOfRows({ inputs, attrs, backend }: KernelArgs, mean: boolean): tf.TensorInfo | undefined {
  const { x } = inputs as { x: tf.TensorInfo };
  const axes = tf.util.parseAxisParam(attrs['axis'] as number[], x.shape);
  const kept = x.shape.map((size, axis) => (axes.includes(axis) ? 1 : size));
  const shape = attrs['keepDims'] === true ? kept : x.shape.filter((_, axis) => !axes.includes(axis));
  if (sizeOf(x.shape) === 0) {
    const out = backend.makeOutput(shape, mean ? 'float32' : x.dtype);
    values(backend, out).fill(mean ? NaN : 0);
    return out;
  }
  const block = neighbours(x.shape, axes);
  if (x.dtype !== 'float32' || block === undefined || block[2] === 1 || block[1] === 1) return undefined;
  const [outer, reduced, inner] = block;
  const out = backend.makeOutput(shape, 'float32');
  const [from, to] = [floats(backend, x), floats(backend, out)];
  const sums = new Float64Array(inner);
  const scale = mean ? 1 / reduced : 1;
  for (let o = 0, read = 0; o < outer; o++) {
    sums.fill(0);
    for (let row = 0; row < reduced; row++) {
      for (let c = 0; c < inner; c++, read++) (sums[c] as number) += from[read] as number;
    }
    for (let c = 0; c < inner; c++) to[o * inner + c] = (sums[c] as number) * scale;
  }
  return out;
}
