/** What a conformance check is and what it gets to work with. */
import type { tf } from '@tesserae/tensor';
import type { TokenizerFactory } from '../factory.ts';
import type { Tokenizer, TokenizerConfig } from '../tokenizer.ts';
import type { TrainableTokenizer } from '../trainable.ts';

/** What a check found: nothing wrong, something wrong (said in a sentence), or no way to tell. */
export type Finding = { readonly ok: true } | { readonly fault: string } | { readonly skipped: string };

/** Everything is as promised. */
export const sound: Finding = { ok: true };

/** What a check works with. */
export interface Subject {
  /** The tokenizer under test. Its state is put back after each check. */
  readonly tokenizer: Tokenizer;
  /** The same one, if it can be trained. */
  readonly trainable: TrainableTokenizer | undefined;
  /** Builds others of its kind, where that is possible. */
  readonly factory: TokenizerFactory | undefined;
  /** What to build them from. */
  readonly config: TokenizerConfig;
  /** float32 `[batch, ...spec.shape]`, at least two signals. */
  readonly samples: tf.Tensor;
  /** Where keys come from. */
  readonly seed: number;
  /** Largest difference between numbers that should be the same; 0 asks for the same bits. */
  readonly tolerance: number;
  /** Whether training draws noise that changes tokens (dropout in the encoder, stochastic codes). */
  readonly noisyTraining: boolean;
  /** Parameters that rightly get no gradient. */
  readonly withoutGradient: (name: string) => boolean;
}

/** One promise of the contract, put to the test. An error that it throws is a fault as well. */
export interface Check {
  /** Short and stable: what a caller names to skip it. */
  readonly name: string;
  /** The promise, in a sentence. */
  readonly promise: string;
  run(subject: Subject): Finding | Promise<Finding>;
}
