/**
 * 3-D convolution and its backward passes on the WebAssembly backend, as sums over the filter's depth of 2-D ones, whose
 * kernels reach XNNPACK; the backend's own loops run at 1 GFLOP/s. A depth tap sees the slices d s + offset - pad, with
 * depth folded into the batch. x [B, D, H, W, C], filter [kd, kh, kw, C, K], dy [B, D', H', W', K].
 */
import * as tf from '@tensorflow/tfjs-core';
import { insertZeros } from '../gradients/zeroInsertion.ts';

interface Attributes {
  readonly strides: [number, number, number] | number;
  readonly pad: 'valid' | 'same' | number;
  readonly dilations?: [number, number, number] | number;
}

type Info = ReturnType<typeof tf.backend_util.computeConv3DInfo>;

/**
 * Geometry of the convolution. Where the stride is larger than the filter, TensorFlow.js has 'same' padding negative,
 * which shifts the image; there is none to be had then.
 */
function infoOf(inShape: number[], filterShape: number[], a: Attributes): Info {
  const info = tf.backend_util.computeConv3DInfo(
    inShape as [number, number, number, number, number],
    filterShape as [number, number, number, number, number],
    a.strides,
    a.dilations ?? 1,
    a.pad as 'same',
  );
  const { padInfo } = info;
  for (const side of ['front', 'back', 'top', 'bottom', 'left', 'right'] as const) {
    padInfo[side] = Math.max(0, padInfo[side]);
  }
  return info;
}

/** The 2-D convolution within one depth tap. */
const planar = (info: Info): tf.NamedAttrMap =>
  ({
    strides: [info.strideHeight, info.strideWidth],
    pad: [
      [0, 0],
      [info.padInfo.top, info.padInfo.bottom],
      [info.padInfo.left, info.padInfo.right],
      [0, 0],
    ],
    dataFormat: 'NHWC',
    dilations: [info.dilationHeight, info.dilationWidth],
  }) as unknown as tf.NamedAttrMap;

const run = (kernelName: string, inputs: Record<string, tf.Tensor>, attrs: tf.NamedAttrMap): tf.Tensor =>
  tf.engine().runKernel(kernelName, inputs, attrs) as tf.Tensor;

/** Depth of the padded input that all taps together reach. */
const reachOf = (info: Info): number =>
  Math.max((info.outDepth - 1) * info.strideDepth + info.effectiveFilterDepth, info.inDepth + info.padInfo.front);

/** For each depth tap the slices of x that it sees, depth folded into the batch: [B D', H, W, C]. */
function tapInputs(x: tf.Tensor, info: Info): tf.Tensor[] {
  const { batchSize, inDepth, inHeight, inWidth, inChannels, outDepth, strideDepth, dilationDepth, padInfo } = info;
  const line = inHeight * inWidth * inChannels;
  const padded = tf.pad(tf.reshape(x, [batchSize, inDepth, line]), [
    [0, 0],
    [padInfo.front, reachOf(info) - inDepth - padInfo.front],
    [0, 0],
  ]);
  return Array.from({ length: info.filterDepth }, (_, tap) => {
    const begin = tap * dilationDepth;
    const end = begin + (outDepth - 1) * strideDepth + 1;
    const seen = tf.stridedSlice(padded, [0, begin, 0], [batchSize, end, line], [1, strideDepth, 1]);
    return tf.reshape(seen, [batchSize * outDepth, inHeight, inWidth, inChannels]);
  });
}

/** Filter of one depth tap, [kh, kw, C, K]. */
const tapFilter = (filter: tf.Tensor, tap: number): tf.Tensor =>
  tf.reshape(tf.slice(filter, tap, 1), filter.shape.slice(1));

/** Conv3D: -> [B, D', H', W', K]. */
export function conv3d(x: tf.Tensor, filter: tf.Tensor, a: Attributes): tf.Tensor {
  const info = infoOf(x.shape, filter.shape, a);
  const terms = tapInputs(x, info).map((seen, tap) =>
    run('Conv2D', { x: seen, filter: tapFilter(filter, tap) }, planar(info)),
  );
  return tf.reshape(tf.addN(terms), info.outShape);
}

/** Conv3DBackpropFilterV2: -> [kd, kh, kw, C, K]. */
export function conv3dBackpropFilter(x: tf.Tensor, dy: tf.Tensor, filterShape: number[], a: Attributes): tf.Tensor {
  const info = infoOf(x.shape, filterShape, a);
  const folded = tf.reshape(dy, [info.batchSize * info.outDepth, info.outHeight, info.outWidth, info.outChannels]);
  const attrs = { ...planar(info), filterShape: filterShape.slice(1) };
  return tf.stack(tapInputs(x, info).map((seen) => run('Conv2DBackpropFilter', { x: seen, dy: folded }, attrs)));
}

/** Conv3DBackpropInputV2: -> [B, D, H, W, C]. */
export function conv3dBackpropInput(dy: tf.Tensor, filter: tf.Tensor, inputShape: number[], a: Attributes): tf.Tensor {
  const info = infoOf(inputShape, filter.shape, a);
  const { batchSize, inDepth, inHeight, inWidth, inChannels, outDepth, strideDepth, padInfo } = info;
  const folded = tf.reshape(dy, [batchSize * outDepth, info.outHeight, info.outWidth, info.outChannels]);
  const line = inHeight * inWidth * inChannels;
  const attrs = { ...planar(info), inputShape: [batchSize * outDepth, inHeight, inWidth, inChannels] };
  const reach = reachOf(info);
  const terms = Array.from({ length: info.filterDepth }, (_, tap) => {
    const dx = run('Conv2DBackpropInput', { dy: folded, filter: tapFilter(filter, tap) }, attrs);
    const spread = insertZeros(tf.reshape(dx, [batchSize, outDepth, line]), [1, strideDepth, 1]);
    const begin = tap * info.dilationDepth;
    return tf.pad(spread, [
      [0, 0],
      [begin, reach - begin - (spread.shape[1] ?? 1)],
      [0, 0],
    ]);
  });
  return tf.reshape(tf.slice(tf.addN(terms), [0, padInfo.front, 0], [batchSize, inDepth, line]), inputShape);
}
