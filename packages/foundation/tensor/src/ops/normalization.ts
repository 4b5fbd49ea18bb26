/**
 * Group norm (Wu and He, arXiv:1803.08494), layer norm (Ba et al., arXiv:1607.06450) and RMS norm (Zhang and Sennrich,
 * arXiv:1910.07467), channels last.
 *
 * Statistics and the result are float32 at every precision. The normalisation is one op for the gradient tape; its
 * backward pass recomputes the statistics from the input, so that only the input is held, and second derivatives are
 * right.
 */
import * as tf from '@tensorflow/tfjs-core';
import { withPrecision } from '../precision.ts';
import { checkTensor } from './check.ts';

/** Mean over what is normalised together, in a shape that broadcasts against the argument. */
type Average = (x: tf.Tensor) => tf.Tensor;

const alongLast: Average = (x) => tf.mean(x, -1, true);

/**
 * Mean over the positions and the channels of a group: [B, P, C] -> [B, 1, C], equal within a group.
 *
 * Positions first and then the few values of each channel: axes of whole channels are quick to add up and to broadcast
 * along, those of a group, often of two to eight channels, are not.
 */
function overGroups(groups: number): Average {
  return (x) => {
    const [batch, , channels] = x.shape as [number, number, number];
    const members = channels / groups;
    const ofGroups = tf.mean(tf.reshape(tf.mean(x, 1), [batch, groups, members]), 2, true); // [B, G, 1]
    return tf.reshape(tf.broadcastTo(ofGroups, [batch, groups, members]), [batch, 1, channels]);
  };
}

/** (x - mean) / sqrt(variance + epsilon); without `center`, x / sqrt(mean square + epsilon). */
function normalize(x: tf.Tensor, average: Average, epsilon: number, center: boolean): tf.Tensor {
  const statistics = (v: tf.Tensor): { normal: tf.Tensor; inverse: tf.Tensor } => {
    const centred = center ? tf.sub(v, average(v)) : v;
    const inverse = tf.rsqrt(tf.add(average(tf.square(centred)), epsilon));
    return { normal: tf.mul(centred, inverse), inverse };
  };
  const op = tf.customGrad((input, save) => {
    (save as tf.GradSaveFunc)([input as tf.Tensor]);
    return {
      value: statistics(input as tf.Tensor).normal,
      gradFunc: (dy: tf.Tensor, [saved]: tf.Tensor[]) => {
        // dx = r (dy - mean(dy) - n mean(dy n)), n the normalised value, r the inverse deviation
        const { normal, inverse } = statistics(saved as tf.Tensor);
        const along = tf.mul(normal, average(tf.mul(dy, normal)));
        const centredDy = center ? tf.sub(dy, average(dy)) : dy;
        return tf.mul(inverse, tf.sub(centredDy, along));
      },
    };
  });
  return op(x);
}

function checkPerChannel(operation: string, argument: string, value: tf.Tensor | undefined, channels: number): void {
  if (value === undefined || (value.rank === 1 && value.shape[0] === channels && value.dtype === 'float32')) return;
  throw new RangeError(
    `${operation}: '${argument}' must be float32 [${channels}], one value a channel of 'x', but got ${value.dtype} [${value.shape.join(', ')}].`,
  );
}

function affine(y: tf.Tensor, scale: tf.Tensor | undefined, offset: tf.Tensor | undefined): tf.Tensor {
  const scaled = scale === undefined ? y : tf.mul(y, scale);
  return offset === undefined ? scaled : tf.add(scaled, offset);
}

const inFloat32 = <T extends tf.Tensor>(fn: () => T): T => withPrecision('float32', () => tf.tidy(fn));

/** Options of {@link groupNorm}. */
export interface GroupNormOptions {
  /** Number of groups; divides the channels. */
  groups: number;
  /** [C]. */
  scale?: tf.Tensor;
  /** [C]. */
  offset?: tf.Tensor;
  /** Added to the variance; default 1e-5, PyTorch's. Stable Diffusion uses 1e-6. */
  epsilon?: number;
}

/**
 * Normalises each group of channels of each example over its positions and channels.
 *
 * @param x float32 [B, …positions, C].
 * @throws RangeError if the groups do not divide the channels, or `scale` or `offset` is not [C].
 */
export function groupNorm<T extends tf.Tensor>(x: T, options: GroupNormOptions): T {
  const { groups, scale, offset, epsilon = 1e-5 } = options;
  checkTensor('groupNorm', 'x', x, {});
  if (x.rank < 2) throw new RangeError(`groupNorm: 'x' must have shape [B, …, C], but got [${x.shape.join(', ')}].`);
  const batch = x.shape[0] as number;
  const channels = x.shape[x.rank - 1] as number;
  if (!Number.isInteger(groups) || groups < 1 || channels % groups !== 0) {
    throw new RangeError(
      `groupNorm: 'groups' must divide the ${channels} channels of 'x' [${x.shape.join(', ')}], but got ${groups}.`,
    );
  }
  checkPerChannel('groupNorm', 'scale', scale, channels);
  checkPerChannel('groupNorm', 'offset', offset, channels);
  return inFloat32(() => {
    const positions = x.size / Math.max(1, batch * channels);
    const flat = tf.reshape(x, [batch, positions, channels]); // [B, P, C]
    const normal = tf.reshape(normalize(flat, overGroups(groups), epsilon, true), x.shape);
    return affine(normal, scale, offset) as T;
  });
}

/** Options of {@link layerNorm}. */
export interface LayerNormOptions {
  /** [C]. */
  scale?: tf.Tensor;
  /** [C]. */
  offset?: tf.Tensor;
  /** Added to the variance; default 1e-5. */
  epsilon?: number;
}

/**
 * Normalises the last axis to mean 0 and variance 1.
 *
 * @param x float32 [..., C].
 */
export function layerNorm<T extends tf.Tensor>(x: T, options: LayerNormOptions = {}): T {
  const { scale, offset, epsilon = 1e-5 } = options;
  checkTensor('layerNorm', 'x', x, {});
  if (x.rank < 1) throw new RangeError("layerNorm: 'x' must have shape [..., C], but got a scalar.");
  const channels = x.shape[x.rank - 1] as number;
  checkPerChannel('layerNorm', 'scale', scale, channels);
  checkPerChannel('layerNorm', 'offset', offset, channels);
  return inFloat32(() => affine(normalize(x, alongLast, epsilon, true), scale, offset) as T);
}

/** Options of {@link rmsNorm}. */
export interface RmsNormOptions {
  /** [C]. */
  scale?: tf.Tensor;
  /** Added to the mean square; default 1e-6. */
  epsilon?: number;
}

/**
 * Divides the last axis by its root mean square.
 *
 * @param x float32 [..., C].
 */
export function rmsNorm<T extends tf.Tensor>(x: T, options: RmsNormOptions = {}): T {
  const { scale, epsilon = 1e-6 } = options;
  checkTensor('rmsNorm', 'x', x, {});
  if (x.rank < 1) throw new RangeError("rmsNorm: 'x' must have shape [..., C], but got a scalar.");
  checkPerChannel('rmsNorm', 'scale', scale, x.shape[x.rank - 1] as number);
  return inFloat32(() => affine(normalize(x, alongLast, epsilon, false), scale, undefined) as T);
}
