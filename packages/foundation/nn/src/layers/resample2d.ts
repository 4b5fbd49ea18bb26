/** Halving and doubling of images between the stages of convolutional autoencoders and U-Nets. */
import { tf } from '@tesserae/tensor';
import { checkImages, checkWhole } from '../check.ts';
import { Module } from '../module.ts';
import { Conv2d } from './conv2d.ts';

/** Options of {@link Downsample2d}. */
export interface Downsample2dConfig {
  /** Channels of the input. */
  readonly in: number;
  /** Channels of the output. Default `in`; `average` cannot change them. */
  readonly out?: number;
  /**
   * `conv`: 3×3 with stride 2, padded at the end as VQGAN does (TensorFlow's `same`). `average`: 2×2 mean, no
   * parameters. Default `conv`.
   */
  readonly kind?: 'conv' | 'average';
}

/** Half the height and width, rounded up (`conv`) or down (`average`). */
export class Downsample2d extends Module {
  /** 3×3, stride 2. */
  readonly conv: Conv2d | undefined;
  readonly #channels: number;

  constructor(config: Downsample2dConfig) {
    super();
    const { in: channels, out = channels, kind = 'conv' } = config;
    checkWhole('Downsample2d', 'in', channels);
    if (kind === 'average' && out !== channels) {
      throw new RangeError(`Downsample2d: 'out' must be ${channels} for kind average, got ${out}. Use kind conv.`);
    }
    this.#channels = channels;
    this.conv = kind === 'conv' ? new Conv2d({ in: channels, out, kernel: 3, stride: 2 }) : undefined;
  }

  /** `[B, H, W, in]` -> `[B, H / 2, W / 2, out]`. */
  call(x: tf.Tensor): tf.Tensor4D {
    checkImages('Downsample2d.call', x, this.#channels);
    return this.conv ? this.conv.call(x) : tf.avgPool(x as tf.Tensor4D, 2, 2, 'valid');
  }
}

/** Options of {@link Upsample2d}. */
export interface Upsample2dConfig {
  /** Channels of the input. */
  readonly in: number;
  /** Channels of the output. Default `in`; `nearest` cannot change them. */
  readonly out?: number;
  /** `conv`: each pixel four times, then 3×3. `nearest`: without the convolution. Default `conv`. */
  readonly kind?: 'conv' | 'nearest';
}

/** Twice the height and width. */
export class Upsample2d extends Module {
  /** 3×3. */
  readonly conv: Conv2d | undefined;
  readonly #channels: number;

  constructor(config: Upsample2dConfig) {
    super();
    const { in: channels, out = channels, kind = 'conv' } = config;
    checkWhole('Upsample2d', 'in', channels);
    if (kind === 'nearest' && out !== channels) {
      throw new RangeError(`Upsample2d: 'out' must be ${channels} for kind nearest, got ${out}. Use kind conv.`);
    }
    this.#channels = channels;
    this.conv = kind === 'conv' ? new Conv2d({ in: channels, out, kernel: 3 }) : undefined;
  }

  /** `[B, H, W, in]` -> `[B, 2 H, 2 W, out]`. */
  call(x: tf.Tensor): tf.Tensor4D {
    checkImages('Upsample2d.call', x, this.#channels);
    return tf.tidy(() => {
      const doubled = upsampleNearest(x as tf.Tensor4D);
      return this.conv ? this.conv.call(doubled) : doubled;
    });
  }
}

/**
 * Each pixel four times: `[B, H, W, C]` -> `[B, 2 H, 2 W, C]`.
 *
 * Two concatenations and reshapes instead of a resize: their gradients are slices and sums on every engine.
 */
export function upsampleNearest(x: tf.Tensor4D): tf.Tensor4D {
  const [batch, height, width, channels] = x.shape;
  return tf.tidy(() => {
    const wide = tf.concat([x, x], 3); // [B, H, W, 2 C]: reading it as [B, H, 2 W, C] puts each copy beside its pixel
    const rows = tf.reshape(wide, [batch, height, 2 * width * channels]);
    return tf.reshape(tf.concat([rows, rows], 2), [batch, 2 * height, 2 * width, channels]);
  });
}
