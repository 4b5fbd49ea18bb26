/** Configuration of `VQVAE`, its defaults and what it refuses. */
import type { TokenizerConfig } from '@tesserae/tokenizer';
import type { QuantizerConfig } from '../quantizers.ts';

/** Options of `VQVAE`. Plain JSON; only `shape` is required. */
export interface VQVAEConfig extends TokenizerConfig {
  /** `[height, width, channels]` of an image; height and width multiples of `downsampling`. */
  readonly shape: readonly [height: number, width: number, channels: number] | readonly number[];
  /** Channels at the finest level; each halving of the picture doubles them. Default 40. */
  readonly baseChannels?: number;
  /** Residual blocks per level, in the encoder and in the decoder each. Default 2. */
  readonly depth?: number;
  /** Pixels per token along each axis: 2, 4, 8, … Default 4. */
  readonly downsampling?: number;
  /** Width of the latents that are quantized. Default 16. */
  readonly codeDim?: number;
  /** Groups of the group normalisations; divides `baseChannels`. Default 8. */
  readonly groups?: number;
  /** Default: 512 codes, k-means, moving averages of 0.99, revival at a tenth of a code's balanced share. */
  readonly quantizer?: QuantizerConfig;
}

/** `VQVAEConfig` with the defaults filled in. */
export type CompleteVQVAEConfig = VQVAEConfig &
  Required<Pick<VQVAEConfig, 'baseChannels' | 'depth' | 'downsampling' | 'codeDim' | 'groups' | 'quantizer'>>;

/**
 * The quantizer of the default tokenizer.
 *
 * At 64 pictures of 8×8 tokens and 512 codes, a share of 0.1 is a threshold of 0.8 hits per batch.
 */
const defaultQuantizer: QuantizerConfig = {
  kind: 'vq',
  codebookSize: 512,
  init: { kind: 'kmeans' },
  codebook: { kind: 'ema', decay: 0.99, revival: { share: 0.1 } },
  commitment: 0.25,
};

/**
 * Fill in defaults and check.
 *
 * @throws RangeError naming the option, its value and what is allowed.
 */
export function completeConfig(config: VQVAEConfig): CompleteVQVAEConfig {
  const complete: CompleteVQVAEConfig = {
    ...config,
    shape: [...config.shape],
    baseChannels: config.baseChannels ?? 40,
    depth: config.depth ?? 2,
    downsampling: config.downsampling ?? 4,
    codeDim: config.codeDim ?? 16,
    groups: config.groups ?? 8,
    quantizer: config.quantizer ?? defaultQuantizer,
  };
  const { shape, downsampling, baseChannels, groups } = complete;
  if (shape.length !== 3) {
    throw new RangeError(`VQVAE: shape must be [height, width, channels], got [${shape.join(', ')}]`);
  }
  whole('shape[2], the channels,', shape[2] as number, 1);
  whole('baseChannels', baseChannels, 1);
  whole('depth', complete.depth, 0);
  whole('codeDim', complete.codeDim, 1);
  whole('groups', groups, 1);
  if (!Number.isSafeInteger(Math.log2(downsampling)) || downsampling < 2) {
    throw new RangeError(`VQVAE: downsampling must be a power of two of at least 2, got ${downsampling}`);
  }
  if (baseChannels % groups !== 0) {
    throw new RangeError(`VQVAE: groups must divide baseChannels, got ${groups} groups of ${baseChannels} channels`);
  }
  (['height', 'width'] as const).forEach((name, axis) => {
    const side = shape[axis] as number;
    whole(`shape[${axis}], the ${name},`, side, 1);
    if (side % downsampling !== 0) {
      const nearest = Math.max(1, Math.round(side / downsampling)) * downsampling;
      throw new RangeError(
        `VQVAE: shape[${axis}], the ${name}, must be a multiple of downsampling ${downsampling}, got ${side}; ` +
          `resize or pad pictures to ${nearest}, or choose another downsampling`,
      );
    }
  });
  return complete;
}

/** Channels of each level, finest first: base, 2·base, 4·base, … */
export function levelChannels({ baseChannels, downsampling }: CompleteVQVAEConfig): number[] {
  return Array.from({ length: Math.log2(downsampling) }, (_, level) => baseChannels * 2 ** level);
}

function whole(name: string, value: number, least: number): void {
  if (!Number.isSafeInteger(value) || value < least) {
    throw new RangeError(`VQVAE: ${name} must be a whole number of at least ${least}, got ${value}`);
  }
}
