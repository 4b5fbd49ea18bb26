/** A tokenizer from a file, as `--tokenizer FILE` takes it: the smallest VQVAE, with 16 codes. */
import type { TokenizerFactory } from '@tesserae/tokenizer';
import { tokenizer as vqvae } from '@tesserae/vq';

/** See the file header. */
export const tokenizer: TokenizerFactory = {
  ...vqvae,
  description: 'The smallest VQVAE',
  create: (config) =>
    vqvae.create({
      baseChannels: 8,
      depth: 1,
      groups: 4,
      codeDim: 4,
      quantizer: {
        kind: 'vq',
        codebookSize: 16,
        init: { kind: 'kmeans' },
        codebook: { kind: 'ema', decay: 0.99, revival: { share: 0.1 } },
      },
      ...config,
    }),
};
