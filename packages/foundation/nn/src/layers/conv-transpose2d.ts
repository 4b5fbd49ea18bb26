/** Transposed 2-D convolution (the gradient of a convolution by its input), with PyTorch's initialisation. */
import { tf } from '@tesserae/tensor';
import { checkImages, checkWhole } from '../check.ts';
import { biasUniform, type Initializer, kaimingUniform, zeros } from '../initializers.ts';
import { Module } from '../module.ts';
import { parameter } from '../parameter.ts';
import { type Pair, toPair } from './conv2d.ts';

/** Options of {@link ConvTranspose2d}. */
export interface ConvTranspose2dConfig {
  /** Channels of the input. */
  readonly in: number;
  /** Channels of the output. */
  readonly out: number;
  /** Size of the kernel; at least the stride, or some outputs see no input. */
  readonly kernel: Pair;
  /** Default 1. */
  readonly stride?: Pair;
  /**
   * `same`: output size = size × stride. `valid`: (size − 1) × stride + kernel. A number p, as in PyTorch:
   * (size − 1) × stride + kernel − 2p. Default `same`. PyTorch's kernel 4, stride 2, padding 1 is `same`.
   */
  readonly padding?: 'same' | 'valid' | number;
  /** Default true. */
  readonly bias?: boolean;
  /** Of the weight. Default uniform in ±1/√(kernel area × out), as PyTorch's. */
  readonly init?: Initializer;
  /** Of the bias. Default uniform in the same bounds; zeros where `init` is given. */
  readonly biasInit?: Initializer;
}

/**
 * Transposed convolution of `[B, H, W, in]` to `[B, H', W', out]`.
 *
 * @example
 * const layer = random.withKey(random.key(0), () => new ConvTranspose2d({ in: 16, out: 3, kernel: 4, stride: 2 }));
 * layer.call(tf.zeros([1, 16, 16, 16])); // [1, 32, 32, 3]
 */
export class ConvTranspose2d extends Module {
  /** `[height, width, out, in]`. */
  readonly weight: tf.Variable;
  /** `[out]`. */
  readonly bias: tf.Variable | undefined;
  readonly #channels: number;
  readonly #kernel: [number, number];
  readonly #stride: [number, number];
  readonly #padding: 'same' | 'valid' | number;

  /** @throws RangeError on sizes below 1. */
  constructor(config: ConvTranspose2dConfig) {
    super();
    const { in: inputs, out: outputs, stride = 1, padding = 'same', bias = true } = config;
    checkWhole('ConvTranspose2d', 'in', inputs);
    checkWhole('ConvTranspose2d', 'out', outputs);
    if (typeof padding === 'number') checkWhole('ConvTranspose2d', 'padding', padding, 0);
    this.#channels = inputs;
    this.#kernel = toPair('ConvTranspose2d', 'kernel', config.kernel);
    this.#stride = toPair('ConvTranspose2d', 'stride', stride);
    this.#padding = padding;
    // PyTorch takes the fan of its layout [in, out, h, w] from axis 1: the outputs.
    const fanIn = outputs * this.#kernel[0] * this.#kernel[1];
    this.weight = parameter([...this.#kernel, outputs, inputs], config.init ?? kaimingUniform({ fanIn }));
    const defaultBias = config.init ? zeros() : biasUniform(fanIn);
    this.bias = bias ? parameter([outputs], config.biasInit ?? defaultBias) : undefined;
  }

  /** `[B, H, W, in]` -> `[B, H', W', out]`. */
  call(x: tf.Tensor): tf.Tensor4D {
    checkImages('ConvTranspose2d.call', x, this.#channels);
    const [batch, height, width] = x.shape as [number, number, number];
    const size = (length: number, axis: 0 | 1): number => {
      const stride = this.#stride[axis];
      if (this.#padding === 'same') return length * stride;
      return (length - 1) * stride + this.#kernel[axis] - 2 * (this.#padding === 'valid' ? 0 : this.#padding);
    };
    const outputs = this.weight.shape[2] as number;
    const shape: [number, number, number, number] = [batch, size(height, 0), size(width, 1), outputs];
    return tf.tidy(() => {
      const weight = this.weight as tf.Variable<tf.Rank.R4>;
      const y = tf.conv2dTranspose(x as tf.Tensor4D, weight, shape, this.#stride, this.#padding);
      return this.bias ? tf.add(y, this.bias) : y;
    });
  }
}
