/**
 * Backward passes of depthwise convolution, composed of ops. x [B, H, W, C], filter [kh, kw, C, Q], dy [B, H', W', C Q].
 *
 * Per tap of the filter: the part of the padded input that the tap saw, times dy, summed (filter), or dy times the
 * tap, put back where it came from (input). Strides s: the part is every s-th pixel. Dilations are allowed for.
 */
import * as tf from '@tensorflow/tfjs-core';
import { insertZeros } from '../gradients/zeroInsertion.ts';

interface Attributes {
  readonly strides: [number, number] | number;
  readonly pad: 'valid' | 'same' | number;
  readonly dilations?: [number, number] | number;
  readonly dimRoundingMode?: 'floor' | 'round' | 'ceil';
}

const infoOf = (inShape: number[], filterShape: number[], a: Attributes): tf.backend_util.Conv2DInfo =>
  tf.backend_util.computeConv2DInfo(
    inShape as [number, number, number, number],
    filterShape as [number, number, number, number],
    a.strides,
    a.dilations ?? 1,
    a.pad,
    a.dimRoundingMode,
    true,
  );

/** Rows and columns of padding, and the padded size that the taps reach. */
function frame(info: tf.backend_util.Conv2DInfo): { height: number; width: number; top: number; left: number } {
  const { padInfo, effectiveFilterHeight, effectiveFilterWidth, outHeight, outWidth, strideHeight, strideWidth } = info;
  return {
    height: Math.max((outHeight - 1) * strideHeight + effectiveFilterHeight, info.inHeight + padInfo.top),
    width: Math.max((outWidth - 1) * strideWidth + effectiveFilterWidth, info.inWidth + padInfo.left),
    top: padInfo.top,
    left: padInfo.left,
  };
}

/** Each tap's row and column in the filter and in the padded input. */
function taps(info: tf.backend_util.Conv2DInfo): { u: number; v: number; row: number; column: number }[] {
  const { filterHeight, filterWidth, dilationHeight, dilationWidth } = info;
  return Array.from({ length: filterHeight * filterWidth }, (_, tap) => {
    const u = Math.floor(tap / filterWidth);
    const v = tap % filterWidth;
    return { u, v, row: u * dilationHeight, column: v * dilationWidth };
  });
}

/** DepthwiseConv2dNativeBackpropFilter: -> [kh, kw, C, Q]. */
export function depthwiseBackpropFilter(x: tf.Tensor, dy: tf.Tensor, filterShape: number[], a: Attributes): tf.Tensor {
  const info = infoOf(x.shape, filterShape, a);
  const { batchSize, inChannels, inHeight, inWidth, outHeight, outWidth, strideHeight, strideWidth } = info;
  const [, , , multiplier = 1] = filterShape;
  const { height, width, top, left } = frame(info);
  const padded = tf.pad(x, [
    [0, 0],
    [top, height - inHeight - top],
    [left, width - inWidth - left],
    [0, 0],
  ]);
  const pixels = batchSize * outHeight * outWidth;
  const ones = tf.fill([1, pixels], 1);
  const output = tf.reshape(dy, [pixels, inChannels, multiplier]);
  const sums = taps(info).map(({ row, column }) => {
    const seen = tf.stridedSlice(
      padded,
      [0, row, column, 0],
      [batchSize, row + (outHeight - 1) * strideHeight + 1, column + (outWidth - 1) * strideWidth + 1, inChannels],
      [1, strideHeight, strideWidth, 1],
    );
    const products = tf.mul(tf.reshape(seen, [pixels, inChannels, 1]), output); // [pixels, C, Q]
    // A product with a row of ones sums over pixels faster than a reduction of the leading axis.
    return tf.matMul(ones, tf.reshape(products, [pixels, inChannels * multiplier]));
  });
  return tf.reshape(tf.concat(sums, 0), filterShape);
}

/** DepthwiseConv2dNativeBackpropInput: -> [B, H, W, C]. */
export function depthwiseBackpropInput(
  dy: tf.Tensor,
  filter: tf.Tensor,
  inputShape: number[],
  a: Attributes,
): tf.Tensor {
  const info = infoOf(inputShape, filter.shape, a);
  const { batchSize, inChannels, inHeight, inWidth, outHeight, outWidth, strideHeight, strideWidth } = info;
  const [, , , multiplier = 1] = filter.shape;
  const { height, width, top, left } = frame(info);
  const output = tf.reshape(dy, [batchSize * outHeight * outWidth, inChannels, multiplier]);
  const spreadHeight = (outHeight - 1) * strideHeight + 1;
  const spreadWidth = (outWidth - 1) * strideWidth + 1;
  const terms = taps(info).map(({ u, v, row, column }) => {
    const weights = tf.reshape(tf.slice(filter, [u, v, 0, 0], [1, 1, -1, -1]), [1, inChannels, multiplier]);
    const weighted = tf.mul(output, weights);
    const summed = multiplier === 1 ? weighted : tf.sum(weighted, 2);
    const image = tf.reshape(summed, [batchSize, outHeight, outWidth, inChannels]);
    const spread = insertZeros(image, [1, strideHeight, strideWidth, 1]);
    return tf.pad(spread, [
      [0, 0],
      [row, height - row - spreadHeight],
      [column, width - column - spreadWidth],
      [0, 0],
    ]);
  });
  return tf.slice(tf.addN(terms), [0, top, left, 0], [batchSize, inHeight, inWidth, inChannels]);
}
