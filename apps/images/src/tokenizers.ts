/** The tokenizers that this app knows by name: one line each. Others are packages or files. */
import { resolveTokenizer, type TokenizerFactory } from '@tesserae/tokenizer';
import { tokenizer as vqvae } from '@tesserae/vq';

/** A built-in choice: a factory, with options that a bare name stands for. */
const known: Readonly<Record<string, TokenizerFactory>> = {
  vq: vqvae,
  fsq: {
    ...vqvae,
    description: 'The same autoencoder with finite scalar quantization, 8·5·5·5 codes',
    create: (config) => vqvae.create({ ...config, quantizer: { kind: 'fsq', levels: [8, 5, 5, 5] } }),
  },
};

/**
 * The factory that a name, a package or a path means.
 *
 * @throws UnknownTokenizerError with the known names.
 */
export function findTokenizer(spec: string): Promise<TokenizerFactory> {
  return resolveTokenizer(spec, known);
}
