/**
 * Codes to pictures: the encoder mirrored.
 *
 *   [B, h, w, codeDim]  conv 3×3 → [B, h, w, coarsest channels]
 *                       → (depth × residual block → nearest ×2, conv 3×3, channels / 2) per halving but the last
 *                       → depth × residual block → group norm → SiLU → transposed conv 4×4 ×2 → [B, H, W, C]
 *
 * No output activation: pictures are in [−1, 1] and the error is quadratic.
 */
import { Conv2d, ConvTranspose2d, GroupNorm, Module, ResNetBlock, Upsample2d } from '@tesserae/nn';
import { ops } from '@tesserae/tensor';
import type { tf } from '@tesserae/tensor';
import { levelChannels } from './config.ts';
import type { CompleteVQVAEConfig } from './config.ts';

/** Residual blocks at one resolution, before the step up from it. */
class DecoderLevel extends Module {
  readonly blocks: ResNetBlock[];
  readonly up: Upsample2d | undefined;

  constructor(channels: number, to: number | undefined, depth: number, groups: number) {
    super();
    this.blocks = Array.from({ length: depth }, () => new ResNetBlock({ in: channels, out: channels, groups }));
    if (to !== undefined) this.up = new Upsample2d({ in: channels, out: to });
  }

  call(x: tf.Tensor4D): tf.Tensor4D {
    const h = this.blocks.reduce((below, block) => block.call(below), x);
    return this.up ? this.up.call(h) : h;
  }
}

/** Convolutional decoder of `VQVAE`. */
export class Decoder extends Module {
  readonly in: Conv2d;
  /** Coarsest first. */
  readonly levels: DecoderLevel[];
  readonly norm: GroupNorm;
  readonly head: ConvTranspose2d;

  constructor(config: CompleteVQVAEConfig) {
    super();
    const { shape, depth, groups, codeDim } = config;
    const widths = levelChannels(config).reverse();
    const finest = widths.at(-1) as number;
    this.in = new Conv2d({ in: codeDim, out: widths[0] as number, kernel: 3 });
    this.levels = widths.map((width, level) => new DecoderLevel(width, widths[level + 1], depth, groups));
    this.norm = new GroupNorm({ channels: finest, groups });
    this.head = new ConvTranspose2d({ in: finest, out: shape[2] as number, kernel: 4, stride: 2 });
  }

  /** `[B, h, w, codeDim]` -> `[B, H, W, C]`. */
  call(codes: tf.Tensor4D): tf.Tensor4D {
    const h = this.levels.reduce((x, level) => level.call(x), this.in.call(codes));
    return this.head.call(ops.silu(this.norm.call(h)));
  }
}
