/** How apps and `loadTokenizer` build a `VQVAE`: by the name `vqvae`, from its configuration. */
import type { TokenizerFactory } from '@tesserae/tokenizer';
import type { VQVAEConfig } from './config.ts';
import { VQVAE } from './vqvae.ts';

/** Factory of `VQVAE`; `create({ shape })` gives the default tokenizer. */
export const tokenizer: TokenizerFactory = {
  kind: 'vqvae',
  description: 'Convolutional VQ-VAE for images, with a vector or finite scalar quantizer',
  create: (config) => new VQVAE(config as VQVAEConfig),
};
