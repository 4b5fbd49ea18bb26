/**
 * One denoising step of a small diffusion U-Net on 32×32 images: predict the noise, move towards the picture.
 *
 * Two levels of residual blocks with a time embedding, attention at the bottom, skip connections by concatenation (DDPM,
 * arXiv 2006.11239, scaled down). The parameters' names are those of `@tesserae/nn`; `python/programs/unet_step.py` makes
 * the same ones.
 */
import {
  Conv2d,
  Downsample2d,
  GroupNorm,
  Linear,
  Module,
  MultiHeadAttention,
  ResNetBlock,
  Upsample2d,
} from '@tesserae/nn';
import { compile, ops, tf, withPrecision, type Precision } from '@tesserae/tensor';
import { initialised, uniform } from '../inputs.ts';
import { number, type Case, type Device, type Params, type Program } from '../program.ts';

const [side, features] = [32, 64];
const sizes: Record<Device, Params> = {
  cpu: { batch: 4, channels: 64, side, features },
  gpu: { batch: 64, channels: 128, side, features },
};

/** Share of the predicted noise that one step removes. */
const removed = 0.1;

class UNet extends Module {
  readonly time1: Linear;
  readonly time2: Linear;
  readonly stem: Conv2d;
  readonly down1: ResNetBlock[];
  readonly downsample: Downsample2d;
  readonly down2: ResNetBlock[];
  readonly middle1: ResNetBlock;
  readonly norm: GroupNorm;
  readonly attention: MultiHeadAttention;
  readonly middle2: ResNetBlock;
  readonly up2: ResNetBlock[];
  readonly upsample: Upsample2d;
  readonly up1: ResNetBlock[];
  readonly outNorm: GroupNorm;
  readonly out: Conv2d;

  constructor(params: Params) {
    super();
    const c = number(params, 'channels');
    const embedding = 4 * c;
    const block = (inputs: number, outputs: number): ResNetBlock =>
      new ResNetBlock({ in: inputs, out: outputs, embedding, groups: 32 });
    this.time1 = new Linear({ in: number(params, 'features'), out: embedding });
    this.time2 = new Linear({ in: embedding, out: embedding });
    this.stem = new Conv2d({ in: 3, out: c, kernel: 3 });
    this.down1 = [block(c, c), block(c, c)];
    this.downsample = new Downsample2d({ in: c });
    this.down2 = [block(c, 2 * c), block(2 * c, 2 * c)];
    this.middle1 = block(2 * c, 2 * c);
    this.norm = new GroupNorm({ channels: 2 * c });
    this.attention = new MultiHeadAttention({ dim: 2 * c, heads: c / 32 });
    this.middle2 = block(2 * c, 2 * c);
    this.up2 = [block(4 * c, 2 * c), block(4 * c, 2 * c)];
    this.upsample = new Upsample2d({ in: 2 * c, out: c });
    this.up1 = [block(2 * c, c), block(2 * c, c)];
    this.outNorm = new GroupNorm({ channels: c });
    this.out = new Conv2d({ in: c, out: 3, kernel: 3 });
  }

  /** Noise of `[B, H, W, 3]` at the time of `[B, features]`. */
  call(x: tf.Tensor4D, time: tf.Tensor): tf.Tensor4D {
    const embedding = this.time2.call(ops.silu(this.time1.call(time)));
    const skips: tf.Tensor4D[] = [];
    const descend = (h: tf.Tensor4D, blocks: ResNetBlock[]): tf.Tensor4D =>
      blocks.reduce((below, block) => {
        const next = block.call(below, { embedding });
        skips.push(next);
        return next;
      }, h);
    const ascend = (h: tf.Tensor4D, blocks: ResNetBlock[]): tf.Tensor4D =>
      blocks.reduce((below, block) => block.call(tf.concat([below, skips.pop() as tf.Tensor4D], 3), { embedding }), h);
    let h = descend(this.stem.call(x), this.down1);
    h = this.middle1.call(descend(this.downsample.call(h), this.down2), { embedding });
    const [batch, height, width, channels] = h.shape;
    const positions = tf.reshape(this.norm.call(h), [batch, height * width, channels]); // [B, H W, C]
    h = tf.add(h, tf.reshape(this.attention.call(positions), h.shape));
    h = ascend(this.middle2.call(h, { embedding }), this.up2);
    h = ascend(this.upsample.call(h), this.up1);
    return this.out.call(ops.silu(this.outNorm.call(h)));
  }
}

/** See the file header. */
export const program: Program = {
  cases: (device) => {
    const size = sizes[device];
    const row = (precision: Precision, tolerance: number): Case => ({
      id: `unet-step.${precision}`,
      title: `U-Net denoising step, B ${size['batch']}, ${side}×${side}, ${size['channels']} channels, ${precision}`,
      params: { ...size, precision },
      tolerance,
      makes: { count: number(size, 'batch'), unit: 'images' },
    });
    const float32 = row('float32', 1e-3);
    return device === 'cpu' ? [float32] : [float32, row('bfloat16', 5e-2), row('tf32', 1e-2)];
  },
  build: (params) => {
    const model = initialised(() => new UNet(params));
    const [batch, side] = [number(params, 'batch'), number(params, 'side')];
    const x = uniform('x', [batch, side, side, 3]) as tf.Tensor4D;
    const time = uniform('time', [batch, number(params, 'features')]);
    const run = compile(
      (x: tf.Tensor4D, time: tf.Tensor) =>
        withPrecision(params['precision'] as Precision, () => tf.sub(x, tf.mul(model.call(x, time), removed))),
      { name: 'unet_step' },
    );
    return { step: () => run(x, time) };
  },
};
