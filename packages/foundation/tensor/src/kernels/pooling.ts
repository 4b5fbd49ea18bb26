/**
 * Maximum pooling on the WebAssembly backend where it must know which element won: gradients, positions, and 3-D. The
 * backend's own kernels start from the smallest positive number, so a window of negative values has no maximum.
 *
 * The first of equal elements wins, in row order, as on the CPU backend. 2-D is 3-D with a depth of one.
 */
import * as tf from '@tensorflow/tfjs-core';
import { floats, integers, values, type KernelArgs } from './wasmBackend.ts';

/** One pooled axis: sizes of input, window and output, their distance, and the border before the first element. */
interface Axis {
  readonly size: number;
  readonly window: number;
  readonly out: number;
  readonly stride: number;
  readonly before: number;
}

interface Geometry {
  readonly batch: number;
  readonly channels: number;
  /** Depth, height, width. */
  readonly axes: readonly [Axis, Axis, Axis];
  readonly outShape: number[];
}

const flat: Axis = { size: 1, window: 1, out: 1, stride: 1, before: 0 };

function geometry(shape: readonly number[], attrs: KernelArgs['attrs']): Geometry {
  const rank3 = shape.length === 5;
  const compute = (rank3 ? tf.backend_util.computePool3DInfo : tf.backend_util.computePool2DInfo) as unknown as (
    ...args: unknown[]
  ) => Record<string, number> & { padInfo: Record<string, number>; outShape: number[] };
  const info = compute(shape, attrs['filterSize'], attrs['strides'], 1, attrs['pad'], attrs['dimRoundingMode']);
  const axis = (name: string, before: string): Axis => ({
    size: info[`in${name}`] ?? 1,
    window: info[`filter${name}`] ?? 1,
    out: info[`out${name}`] ?? 1,
    stride: info[`stride${name}`] ?? 1,
    before: info.padInfo[before] ?? 0,
  });
  return {
    batch: info['batchSize'] ?? 1,
    channels: info['inChannels'] ?? 1,
    axes: [rank3 ? axis('Depth', 'front') : flat, axis('Height', 'top'), axis('Width', 'left')],
    outShape: info.outShape,
  };
}

/** First and one past the last element of the window at position `i`, inside the image. */
const range = ({ size, window, stride, before }: Axis, i: number): [number, number] => {
  const start = i * stride - before;
  return [Math.max(0, start), Math.min(size, start + window)];
};

/** The offset in x of the element that each output picked, [B, ...out, C]; -1 where the window lies outside the image. */
function winners(x: Float32Array | Int32Array | Uint8Array, { batch, channels, axes }: Geometry): Int32Array {
  const [depth, height, width] = axes;
  const picked = new Int32Array(batch * depth.out * height.out * width.out * channels);
  let write = 0;
  for (let image = 0; image < batch; image++) {
    for (let i = 0; i < depth.out; i++) {
      const [d0, d1] = range(depth, i);
      for (let j = 0; j < height.out; j++) {
        const [h0, h1] = range(height, j);
        for (let k = 0; k < width.out; k++, write += channels) {
          const [w0, w1] = range(width, k);
          picked.fill(-1, write, write + channels);
          for (let d = d0; d < d1; d++) {
            for (let h = h0; h < h1; h++) {
              for (let w = w0; w < w1; w++) {
                const read = (((image * depth.size + d) * height.size + h) * width.size + w) * channels;
                for (let c = 0; c < channels; c++) {
                  const at = picked[write + c] as number;
                  const best = x[at] as number;
                  // NaN loses, as in the kernels of TensorFlow.js.
                  if (at < 0 || best !== best || (x[read + c] as number) > best) picked[write + c] = read + c;
                }
              }
            }
          }
        }
      }
    }
  }
  return picked;
}

/** The MaxPoolGrad and MaxPool3DGrad kernels: dy goes to the element that was picked. */
export function maxPoolGrad({ inputs, attrs, backend }: KernelArgs): tf.TensorInfo {
  const { dy, input } = inputs as { dy: tf.TensorInfo; input: tf.TensorInfo };
  const out = backend.makeOutput(input.shape, 'float32');
  const picked = winners(values(backend, input), geometry(input.shape, attrs));
  const [from, to] = [floats(backend, dy), floats(backend, out)];
  to.fill(0);
  picked.forEach((at, i) => {
    if (at >= 0) (to[at] as number) += from[i] as number;
  });
  return out;
}

/** The MaxPool3D kernel. */
export function maxPool3d({ inputs, attrs, backend }: KernelArgs): tf.TensorInfo {
  const { x } = inputs as { x: tf.TensorInfo };
  const shape = geometry(x.shape, attrs);
  const out = backend.makeOutput(shape.outShape, x.dtype);
  const [from, to] = [values(backend, x), values(backend, out)];
  winners(from, shape).forEach((at, i) => (to[i] = at < 0 ? -Infinity : (from[at] as number)));
  return out;
}

/** The MaxPoolWithArgmax kernel: values, and positions in x flattened with or without its batch. */
export function maxPoolWithArgmax({ inputs, attrs, backend }: KernelArgs): tf.TensorInfo[] {
  const { x } = inputs as { x: tf.TensorInfo };
  if (x.shape.length !== 4) {
    throw new Error(
      `maxPoolWithArgmax: expected x of rank 4, [batch, height, width, channels], received [${x.shape}].`,
    );
  }
  const shape = geometry(x.shape, attrs);
  const result = backend.makeOutput(shape.outShape, x.dtype);
  const indexes = backend.makeOutput(shape.outShape, 'int32');
  const [from, to, at] = [values(backend, x), values(backend, result), integers(backend, indexes)];
  const image = attrs['includeBatchInIndex'] === true ? Infinity : from.length / shape.batch;
  winners(from, shape).forEach((position, i) => {
    to[i] = position < 0 ? -Infinity : (from[position] as number);
    at[i] = image === Infinity ? position : position % image;
  });
  return [result, indexes];
}
