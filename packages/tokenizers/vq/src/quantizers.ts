/**
 * The quantizers that a tokenizer can be configured with, by name. A further method is its own file, one member of
 * `QuantizerConfig` and one case below.
 */
import type { Quantizer } from '@tesserae/tokenizer';
import { FSQ } from './fsq.ts';
import type { FSQConfig } from './fsq.ts';
import { VectorQuantizer } from './vector-quantizer.ts';
import type { VectorQuantizerConfig } from './vector-quantizer.ts';

/** Which quantizer, and its options; the width of the latents comes from the tokenizer around it. Plain JSON. */
export type QuantizerConfig =
  ({ readonly kind: 'vq' } & Omit<VectorQuantizerConfig, 'dim'>) | ({ readonly kind: 'fsq' } & Omit<FSQConfig, 'dim'>);

/**
 * Build a quantizer for latents of width `dim`, drawing from the ambient key.
 *
 * @throws RangeError on an unknown kind, or options that cannot be.
 */
export function createQuantizer(config: QuantizerConfig, dim: number): Quantizer {
  switch (config.kind) {
    case 'vq':
      return new VectorQuantizer({ ...config, dim });
    case 'fsq':
      return new FSQ({ ...config, dim });
    default:
      throw new RangeError(
        `createQuantizer: quantizer.kind must be vq or fsq, got ${JSON.stringify((config as { kind: unknown }).kind)}`,
      );
  }
}
