/**
 * The demo's recipe: what 3,391 emoji at 32×32 need on two cores.
 *
 * Expected on held-out emoji: 23 dB or more, 95 % of 512 codes, 4.8 nats per token or less; see the README for what was
 * measured, where and when. `quick` shows that everything runs, in two minutes on wasm; its figures mean nothing.
 */
import type { PriorTraining } from './prior-run.ts';
import type { TokenizerTraining } from './tokenizer-run.ts';

/** Settings that do not depend on how the command was called. */
export interface Recipe {
  readonly tokenizer: Pick<TokenizerTraining, 'steps' | 'learningRate'>;
  readonly prior: Pick<PriorTraining, 'steps' | 'learningRate' | 'layers' | 'dim' | 'heads' | 'dropout'>;
}

/** See the file header. */
export const full: Recipe = {
  tokenizer: { steps: 600, learningRate: 2e-3 },
  prior: { steps: 300, learningRate: 1e-3, layers: 4, dim: 192, heads: 6, dropout: 0.1 },
};

/** See the file header. */
export const quick: Recipe = {
  tokenizer: { steps: 20, learningRate: 2e-3 },
  prior: { steps: 20, learningRate: 1e-3, layers: 2, dim: 64, heads: 4, dropout: 0.1 },
};
