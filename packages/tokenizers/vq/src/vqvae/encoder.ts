/**
 * Pictures to latents.
 *
 *   [B, H, W, C]  conv 4×4 /2 → [B, H/2, W/2, base] → depth × residual block
 *                 → (conv 3×3 /2, channels × 2 → depth × residual block) per further halving
 *                 → group norm → SiLU → conv 1×1 → [B, h, w, codeDim]
 *
 * The strided stem is that of the 2017 VQ-VAE, which keeps all the work off the full resolution; the residual blocks
 * are those of VQGAN (arXiv 2012.09841), without attention.
 */
import { Conv2d, Downsample2d, GroupNorm, Module, ResNetBlock } from '@tesserae/nn';
import { ops } from '@tesserae/tensor';
import type { tf } from '@tesserae/tensor';
import { levelChannels } from './config.ts';
import type { CompleteVQVAEConfig } from './config.ts';

/** Residual blocks at one resolution, after the step down to it. */
class EncoderLevel extends Module {
  readonly down: Downsample2d | undefined;
  readonly blocks: ResNetBlock[];

  constructor(from: number | undefined, channels: number, depth: number, groups: number) {
    super();
    if (from !== undefined) this.down = new Downsample2d({ in: from, out: channels });
    this.blocks = Array.from({ length: depth }, () => new ResNetBlock({ in: channels, out: channels, groups }));
  }

  call(x: tf.Tensor4D): tf.Tensor4D {
    const below = this.down ? this.down.call(x) : x;
    return this.blocks.reduce((h, block) => block.call(h), below);
  }
}

/** Convolutional encoder of `VQVAE`. */
export class Encoder extends Module {
  readonly stem: Conv2d;
  readonly levels: EncoderLevel[];
  readonly norm: GroupNorm;
  readonly out: Conv2d;

  constructor(config: CompleteVQVAEConfig) {
    super();
    const { shape, depth, groups, codeDim } = config;
    const widths = levelChannels(config);
    const coarsest = widths.at(-1) as number;
    this.stem = new Conv2d({ in: shape[2] as number, out: widths[0] as number, kernel: 4, stride: 2 });
    this.levels = widths.map((width, level) => new EncoderLevel(widths[level - 1], width, depth, groups));
    this.norm = new GroupNorm({ channels: coarsest, groups });
    this.out = new Conv2d({ in: coarsest, out: codeDim, kernel: 1 });
  }

  /** `[B, H, W, C]` -> `[B, H/f, W/f, codeDim]`. */
  call(images: tf.Tensor4D): tf.Tensor4D {
    const h = this.levels.reduce((x, level) => level.call(x), this.stem.call(images));
    return this.out.call(ops.silu(this.norm.call(h)));
  }
}
