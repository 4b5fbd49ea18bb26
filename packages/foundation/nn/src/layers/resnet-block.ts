/**
 * The residual block of convolutional autoencoders and diffusion U-Nets (VQGAN, arXiv 2012.09841; DDPM, arXiv 2006.11239):
 * conv(drop(silu(norm(conv(silu(norm x)) + embedding)))) + shortcut(x).
 */
import { ops, tf } from '@tesserae/tensor';
import { checkImages, checkWhole, shapeText } from '../check.ts';
import { zeros } from '../initializers.ts';
import type { CallOptions } from '../layer.ts';
import { Module } from '../module.ts';
import { Conv2d } from './conv2d.ts';
import { Dropout } from './dropout.ts';
import { GroupNorm } from './group-norm.ts';
import { Linear } from './linear.ts';
import { Identity } from './sequential.ts';

/** Options of {@link ResNetBlock}. */
export interface ResNetBlockConfig {
  /** Channels of the input. */
  readonly in: number;
  /** Channels of the output. Default `in`; where they differ, the shortcut is a 1×1 convolution. */
  readonly out?: number;
  /** Groups of the norms, 0 for no norm. Default: 32, or the largest number below that divides the channels. */
  readonly groups?: number;
  /** Size of the kernels. Default 3. */
  readonly kernel?: number;
  /** Width of an embedding (of a diffusion time, a class …) that is added between the convolutions. Default none. */
  readonly embedding?: number;
  /** Before the second convolution, in training. Default 0. */
  readonly dropout?: number;
  /** Start as the shortcut alone: the second convolution's weights are zero. Default false. */
  readonly zeroInit?: boolean;
  /** ε of the norms. Default 1e-6, as VQGAN's. */
  readonly epsilon?: number;
}

/** Options of `ResNetBlock.call`. */
export interface ResNetCallOptions extends CallOptions {
  /** `[B, embedding]`, if the block was built for one. */
  readonly embedding?: tf.Tensor | undefined;
}

/** The largest divisor of `channels` that is at most `most`: a number of groups that always fits. */
export function groupsFor(channels: number, most = 32): number {
  for (let groups = Math.min(most, channels); groups > 1; groups--) if (channels % groups === 0) return groups;
  return 1;
}

/** Residual block of `[B, H, W, in]` to `[B, H, W, out]`. */
export class ResNetBlock extends Module {
  /** First norm. */
  readonly norm1: GroupNorm | Identity;
  /** First convolution. */
  readonly conv1: Conv2d;
  /** From the embedding to the channels. */
  readonly embedding: Linear | undefined;
  /** Second norm. */
  readonly norm2: GroupNorm | Identity;
  /** Second convolution. */
  readonly conv2: Conv2d;
  /** 1×1, where the channels differ. */
  readonly shortcut: Conv2d | undefined;
  readonly #channels: number;
  readonly #dropout: Dropout;

  constructor(config: ResNetBlockConfig) {
    super();
    const { in: inputs, out: outputs = inputs, kernel = 3, embedding, dropout = 0, epsilon = 1e-6 } = config;
    checkWhole('ResNetBlock', 'in', inputs);
    checkWhole('ResNetBlock', 'out', outputs);
    const norm = (channels: number): GroupNorm | Identity => {
      if (config.groups === 0) return new Identity();
      return new GroupNorm({ channels, groups: config.groups ?? groupsFor(channels), epsilon });
    };
    this.norm1 = norm(inputs);
    this.conv1 = new Conv2d({ in: inputs, out: outputs, kernel });
    this.embedding = embedding === undefined ? undefined : new Linear({ in: embedding, out: outputs });
    this.norm2 = norm(outputs);
    this.conv2 = new Conv2d({ in: outputs, out: outputs, kernel, ...(config.zeroInit && { init: zeros() }) });
    this.shortcut = inputs === outputs ? undefined : new Conv2d({ in: inputs, out: outputs, kernel: 1 });
    this.#channels = inputs;
    this.#dropout = new Dropout({ rate: dropout });
  }

  /** `[B, H, W, in]` -> `[B, H, W, out]`. */
  call(x: tf.Tensor, options: ResNetCallOptions = {}): tf.Tensor4D {
    checkImages('ResNetBlock.call', x, this.#channels);
    const { embedding } = options;
    if ((embedding === undefined) !== (this.embedding === undefined)) {
      throw new RangeError(
        `ResNetBlock.call: 'embedding' must ${this.embedding ? 'be given' : 'not be given'}, got ${embedding ? shapeText(embedding.shape) : 'none'}. It is set by 'embedding' of the config.`,
      );
    }
    return tf.tidy(() => {
      let hidden = this.conv1.call(ops.silu(this.norm1.call(x)));
      if (this.embedding && embedding) {
        const added = this.embedding.call(ops.silu(embedding)); // [B, out]
        hidden = tf.add(hidden, tf.reshape(added, [x.shape[0] as number, 1, 1, hidden.shape[3]]));
      }
      const dropped = this.#dropout.call(ops.silu(this.norm2.call(hidden)), options);
      const residual = this.shortcut ? this.shortcut.call(x) : x;
      return tf.add(residual, this.conv2.call(dropped));
    });
  }
}
