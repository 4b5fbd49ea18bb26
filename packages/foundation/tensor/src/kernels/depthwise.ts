/**
 * Backward passes of depthwise convolution on the WebAssembly backend, as loops over its heap with channels innermost.
 * x [B, H, W, C], filter [kh, kw, C, Q], dy [B, H', W', C Q]; strides and dilations as the forward kernel has them.
 */
import * as tf from '@tensorflow/tfjs-core';
import { floats, type KernelArgs } from './wasmBackend.ts';

type Info = tf.backend_util.Conv2DInfo;

function infoOf(inShape: number[], filterShape: number[], attrs: KernelArgs['attrs']): Info {
  return tf.backend_util.computeConv2DInfo(
    inShape as [number, number, number, number],
    filterShape as [number, number, number, number],
    attrs['strides'] as [number, number],
    (attrs['dilations'] ?? 1) as number,
    attrs['pad'] as 'same',
    attrs['dimRoundingMode'] as 'floor',
    true,
  );
}

/**
 * Calls `visit` for each pair of an output pixel and a tap whose input pixel lies inside the image, with the offsets of
 * the pixel in x, of the tap in the filter, and of the pixel in dy.
 */
function eachTap(info: Info, multiplier: number, visit: (x: number, tap: number, dy: number) => void): void {
  const { batchSize, inHeight, inWidth, inChannels, outHeight, outWidth, filterHeight, filterWidth } = info;
  const { strideHeight, strideWidth, dilationHeight, dilationWidth, padInfo } = info;
  const wide = inChannels * multiplier;
  for (let image = 0; image < batchSize; image++) {
    for (let i = 0; i < outHeight; i++) {
      for (let u = 0; u < filterHeight; u++) {
        const row = i * strideHeight + u * dilationHeight - padInfo.top;
        if (row < 0 || row >= inHeight) continue;
        for (let j = 0; j < outWidth; j++) {
          const output = ((image * outHeight + i) * outWidth + j) * wide;
          for (let v = 0; v < filterWidth; v++) {
            const column = j * strideWidth + v * dilationWidth - padInfo.left;
            if (column < 0 || column >= inWidth) continue;
            const input = ((image * inHeight + row) * inWidth + column) * inChannels;
            visit(input, (u * filterWidth + v) * wide, output);
          }
        }
      }
    }
  }
}

/** DepthwiseConv2dNativeBackpropFilter: -> [kh, kw, C, Q]. Sums in double precision. */
export function depthwiseBackpropFilter({ inputs, attrs, backend }: KernelArgs): tf.TensorInfo {
  const { x, dy } = inputs as { x: tf.TensorInfo; dy: tf.TensorInfo };
  const filterShape = attrs['filterShape'] as number[];
  const info = infoOf(x.shape, filterShape, attrs);
  const multiplier = filterShape[3] ?? 1;
  const channels = info.inChannels;
  const out = backend.makeOutput(filterShape, 'float32');
  const [vx, vdy] = [floats(backend, x), floats(backend, dy)];
  const sums = new Float64Array(filterShape.reduce((a, b) => a * b, 1));
  eachTap(info, multiplier, (input, tap, output) => {
    if (multiplier === 1) {
      for (let c = 0; c < channels; c++) {
        (sums[tap + c] as number) += (vx[input + c] as number) * (vdy[output + c] as number);
      }
      return;
    }
    for (let c = 0, k = 0; c < channels; c++) {
      const value = vx[input + c] as number;
      for (let q = 0; q < multiplier; q++, k++) (sums[tap + k] as number) += value * (vdy[output + k] as number);
    }
  });
  floats(backend, out).set(sums);
  return out;
}

/** DepthwiseConv2dNativeBackpropInput: -> [B, H, W, C]. */
export function depthwiseBackpropInput({ inputs, attrs, backend }: KernelArgs): tf.TensorInfo {
  const { dy, filter } = inputs as { dy: tf.TensorInfo; filter: tf.TensorInfo };
  const inputShape = attrs['inputShape'] as number[];
  const info = infoOf(inputShape, filter.shape, attrs);
  const multiplier = filter.shape[3] ?? 1;
  const channels = info.inChannels;
  const out = backend.makeOutput(inputShape, 'float32');
  const [vdy, weights, to] = [floats(backend, dy), floats(backend, filter), floats(backend, out)];
  to.fill(0);
  eachTap(info, multiplier, (input, tap, output) => {
    if (multiplier === 1) {
      for (let c = 0; c < channels; c++) {
        (to[input + c] as number) += (vdy[output + c] as number) * (weights[tap + c] as number);
      }
      return;
    }
    for (let c = 0, k = 0; c < channels; c++) {
      let sum = 0;
      for (let q = 0; q < multiplier; q++, k++) sum += (vdy[output + k] as number) * (weights[tap + k] as number);
      (to[input + c] as number) += sum;
    }
  });
  return out;
}
