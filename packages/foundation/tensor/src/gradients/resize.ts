/**
 * Gradients of resizing images. Resizing is linear and separable, y = R x Cᵀ with a small matrix for the rows and one for
 * the columns, so the gradient is Rᵀ dy C for every setting of alignCorners and halfPixelCenters.
 *
 * The gradient kernels of TensorFlow.js ignore halfPixelCenters. Enlarging by whole numbers with nearest neighbours,
 * which decoders do, is the sum over each block: an average pooling.
 */
import * as tf from '@tensorflow/tfjs-core';
import { gradient } from './gradient.ts';

type Attributes = tf.ResizeBilinearAttrs;

export const resizeGradients: tf.GradConfig[] = [
  gradient<Attributes>('ResizeBilinear', { inputs: ['images'] }, (dy, [images], attributes) => ({
    images: () => separable(dy, images, attributes, bilinearWeights),
  })),
  gradient<Attributes>('ResizeNearestNeighbor', { inputs: ['images'] }, (dy, [images], attributes) => ({
    images: () => {
      const block = wholeBlock(images.shape, attributes);
      return block === undefined ? separable(dy, images, attributes, nearestWeights) : blockSums(dy, block);
    },
  })),
];

/** Factors of enlargement when both are whole and the plain grid is used, else undefined. */
function wholeBlock(shape: readonly number[], { size, alignCorners }: Attributes): [number, number] | undefined {
  const [, height = 1, width = 1] = shape;
  const whole = size[0] % height === 0 && size[1] % width === 0;
  return whole && !alignCorners ? [size[0] / height, size[1] / width] : undefined;
}

function blockSums(dy: tf.Tensor, block: [number, number]): tf.Tensor {
  return tf.mul(tf.avgPool(dy as tf.Tensor4D, block, block, 'valid'), block[0] * block[1]);
}

/** Weight of each source for each target along one axis, [target, source]. */
type Weights = (target: number, source: number, attributes: Attributes) => Float32Array;

/** Shapes: dy [B, H', W', C] -> [B, H, W, C]. */
function separable(dy: tf.Tensor, images: tf.Tensor, attributes: Attributes, weights: Weights): tf.Tensor {
  const [batch = 1, height = 1, width = 1, channels = 1] = images.shape;
  const [rows, columns] = attributes.size;
  const r = tf.tensor2d(weights(rows, height, attributes), [rows, height]);
  const c = tf.tensor2d(weights(columns, width, attributes), [columns, width]);
  // [B, H', W' C]: Rᵀ over the rows of each image.
  const byRows = tf.matMul(r, tf.reshape(dy, [batch, rows, columns * channels]), true, false);
  // [B H, W', C]: Cᵀ over the columns of each row.
  const byColumns = tf.matMul(c, tf.reshape(byRows, [batch * height, columns, channels]), true, false);
  return tf.reshape(byColumns, [batch, height, width, channels]);
}

/** Position in the source of each target pixel, as the kernels compute it. */
function sourcePosition(
  target: number,
  source: number,
  alignCorners: boolean,
  halfPixel: boolean,
): (i: number) => number {
  const scale = alignCorners && target > 1 ? (source - 1) / (target - 1) : source / target;
  return halfPixel ? (i) => scale * (i + 0.5) - 0.5 : (i) => scale * i;
}

const bilinearWeights: Weights = (target, source, { alignCorners, halfPixelCenters }) => {
  const weights = new Float32Array(target * source);
  const position = sourcePosition(target, source, alignCorners, halfPixelCenters);
  for (let i = 0; i < target; i++) {
    const at = position(i);
    const low = Math.max(0, Math.floor(at));
    const high = Math.min(source - 1, Math.ceil(at));
    const fraction = at - low;
    weights[i * source + low] = (weights[i * source + low] ?? 0) + 1 - fraction;
    weights[i * source + high] = (weights[i * source + high] ?? 0) + fraction;
  }
  return weights;
};

const nearestWeights: Weights = (target, source, { alignCorners, halfPixelCenters }) => {
  const weights = new Float32Array(target * source);
  const scale = alignCorners && target > 1 ? (source - 1) / (target - 1) : source / target;
  for (let i = 0; i < target; i++) {
    const at = halfPixelCenters ? scale * (i + 0.5) : scale * i;
    const nearest = Math.min(source - 1, alignCorners ? Math.round(at) : Math.floor(at));
    weights[i * source + Math.max(0, nearest)] = 1;
  }
  return weights;
};
