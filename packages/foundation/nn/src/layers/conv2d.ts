/** 2-D convolution over channels-last images, with PyTorch's initialisation, symmetric padding and groups. */
import { tf } from '@tesserae/tensor';
import { checkImages, checkWhole } from '../check.ts';
import { biasUniform, fansOf, type Initializer, kaimingUniform, zeros } from '../initializers.ts';
import { Module } from '../module.ts';
import { parameter } from '../parameter.ts';

/** One number for both axes, or `[height, width]`. */
export type Pair = number | readonly [number, number];

/** Options of {@link Conv2d}. */
export interface Conv2dConfig {
  /** Channels of the input. */
  readonly in: number;
  /** Channels of the output. */
  readonly out: number;
  /** Size of the kernel. */
  readonly kernel: Pair;
  /** Default 1. */
  readonly stride?: Pair;
  /**
   * `same`: output size ⌈size/stride⌉, an odd rest of the padding at the end (as TensorFlow). `valid`: none. A number:
   * that many on every side (as PyTorch; the two differ for strides above 1). Default `same`.
   */
  readonly padding?: 'same' | 'valid' | number;
  /** Default 1. */
  readonly dilation?: Pair;
  /** Independent groups of channels; `in` for a depthwise convolution. Default 1. */
  readonly groups?: number;
  /** Default true. */
  readonly bias?: boolean;
  /** Of the weight. Default `kaimingUniform()`: uniform in ±1/√(kernel area × in / groups). */
  readonly init?: Initializer;
  /** Of the bias. Default uniform in the same bounds; zeros where `init` is given. */
  readonly biasInit?: Initializer;
}

/** A pair out of a number or a pair, checked to hold whole numbers of at least 1. */
export function toPair(operation: string, argument: string, value: Pair): [number, number] {
  const pair: [number, number] = typeof value === 'number' ? [value, value] : [value[0], value[1]];
  for (const size of pair) checkWhole(operation, argument, size);
  return pair;
}

/**
 * Convolution of `[B, H, W, in]` to `[B, H', W', out]`.
 *
 * @example
 * const layer = random.withKey(random.key(0), () => new Conv2d({ in: 3, out: 16, kernel: 3, stride: 2 }));
 * layer.call(tf.zeros([1, 32, 32, 3])); // [1, 16, 16, 16]
 */
export class Conv2d extends Module {
  /** `[height, width, in / groups, out]`. */
  readonly weight: tf.Variable;
  /** `[out]`. */
  readonly bias: tf.Variable | undefined;
  readonly #channels: number;
  readonly #stride: [number, number];
  readonly #padding: 'same' | 'valid' | number;
  readonly #dilation: [number, number];
  readonly #groups: number;

  /** @throws RangeError on sizes below 1, and where `groups` divides not both channel counts. */
  constructor(config: Conv2dConfig) {
    super();
    const { in: inputs, out: outputs, stride = 1, padding = 'same', dilation = 1, groups = 1, bias = true } = config;
    checkWhole('Conv2d', 'in', inputs);
    checkWhole('Conv2d', 'out', outputs);
    checkWhole('Conv2d', 'groups', groups);
    const kernel = toPair('Conv2d', 'kernel', config.kernel);
    if (typeof padding === 'number') checkWhole('Conv2d', 'padding', padding, 0);
    if (inputs % groups !== 0 || outputs % groups !== 0) {
      throw new RangeError(`Conv2d: 'groups' must divide in (${inputs}) and out (${outputs}), got ${groups}.`);
    }
    this.#channels = inputs;
    this.#stride = toPair('Conv2d', 'stride', stride);
    this.#dilation = toPair('Conv2d', 'dilation', dilation);
    this.#padding = padding;
    this.#groups = groups;
    const shape = [...kernel, inputs / groups, outputs];
    this.weight = parameter(shape, config.init ?? kaimingUniform());
    const defaultBias = config.init ? zeros() : biasUniform(fansOf(shape).fanIn);
    this.bias = bias ? parameter([outputs], config.biasInit ?? defaultBias) : undefined;
  }

  /** `[B, H, W, in]` -> `[B, H', W', out]`. */
  call(x: tf.Tensor): tf.Tensor4D {
    checkImages('Conv2d.call', x, this.#channels);
    return tf.tidy(() => {
      const y = this.#convolve(x as tf.Tensor4D);
      return this.bias ? tf.add(y, this.bias) : y;
    });
  }

  #convolve(x: tf.Tensor4D): tf.Tensor4D {
    const weight = this.weight as tf.Variable<tf.Rank.R4>;
    const conv = (input: tf.Tensor4D, filter: tf.Tensor4D): tf.Tensor4D =>
      tf.conv2d(input, filter, this.#stride, this.#padding, 'NHWC', this.#dilation);
    if (this.#groups === 1) return conv(x, weight);
    // TensorFlow.js has no grouped convolution. One input channel a group is the depthwise one: [h, w, 1, g·m], whose
    // outputs are ordered by group as well, so its filter is a reshape.
    const [height, width, , outputs] = weight.shape as [number, number, number, number];
    const square = this.#stride[0] === this.#stride[1] && typeof this.#padding !== 'number';
    if (this.#groups === this.#channels && square) {
      const filter = tf.reshape(weight, [height, width, this.#groups, outputs / this.#groups]) as tf.Tensor4D;
      return tf.depthwiseConv2d(x, filter, this.#stride, this.#padding as 'same' | 'valid', 'NHWC', this.#dilation);
    }
    const inputs = tf.split<tf.Tensor4D>(x, this.#groups, 3);
    const filters = tf.split<tf.Tensor4D>(weight, this.#groups, 3);
    return tf.concat(
      inputs.map((input, group) => conv(input, filters[group] as tf.Tensor4D)),
      3,
    );
  }
}
