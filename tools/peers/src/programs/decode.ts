/**
 * Sampling from the images app's prior: 64 tokens an image with cached keys and values, the most probable token each time
 * so that all peers can be compared. `python/programs/decode.py` is the same model.
 */
import { ImageGPT } from '@tesserae/autoregressive';
import { initialised } from '../inputs.ts';
import { number, type Program } from '../program.ts';

const size = { vocabulary: 512, side: 8, layers: 4, dim: 192, heads: 6 };

/** See the file header. */
export const program: Program = {
  cases: () =>
    [1, 64].map((batch) => ({
      id: `decode.${batch}`,
      title: `cached decoding of the images app's prior, ${size.side * size.side} tokens, batch ${batch}, float32`,
      params: { ...size, batch, precision: 'float32' },
      // Where two tokens are as probable as rounding can tell, the rest of an image may differ.
      tolerance: 0.05,
      compare: 'indices',
      makes: { count: batch * size.side * size.side, unit: 'tokens' },
    })),
  build: (params) => {
    const [vocabulary, side, layers, dim, heads] = ['vocabulary', 'side', 'layers', 'dim', 'heads'].map((name) =>
      number(params, name),
    ) as [number, number, number, number, number];
    const model = initialised(() => new ImageGPT({ vocabulary, grid: [side, side], layers, dim, heads }));
    return { step: () => model.sample({ count: number(params, 'batch'), temperature: 0 }) };
  },
};
