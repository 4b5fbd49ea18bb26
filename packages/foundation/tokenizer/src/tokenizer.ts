/**
 * The contract of a tokenizer: signals to tokens and back, and a `spec` that says what the tokens are.
 *
 * A class that extends `Tokenizer` and passes `conformance` works with every generator and app of Tesserae.
 */
import { Module } from '@tesserae/nn';
import type { tf } from '@tesserae/tensor';
import type { Json } from './json.ts';
import type { TokenSpec } from './spec.ts';

/**
 * A tokenizer's configuration: plain JSON that, given to its factory, builds the same architecture again.
 *
 * `shape` is the one member that every tokenizer shares, since it is all that an app knows about its data:
 * `factory.create({ shape: [32, 32, 3] })` must work, with a default for everything else.
 */
export interface TokenizerConfig {
  /** Shape of one signal without the batch axis, channels last. */
  readonly shape: readonly number[];
  readonly [option: string]: Json | undefined;
}

/**
 * Signals to tokens and back.
 *
 * `encode` and `decode` are inference: no dropout, no noise, no update, the same result each time. Both may be called
 * inside `compile`, so they read no values.
 *
 * @typeParam S - What a batch of signals is: a float32 tensor `[batch, ...spec.shape]` in `[-1, 1]` for images.
 */
export abstract class Tokenizer<S = tf.Tensor> extends Module {
  /** Name of the factory that builds this class: stored with the weights, and what `--tokenizer` takes. */
  abstract readonly kind: string;

  /** What the tokens are. Constant for the lifetime of the tokenizer. */
  abstract readonly spec: TokenSpec;

  /** The complete configuration, defaults filled in: `create(tokenizer.config)` builds the same architecture. */
  abstract readonly config: TokenizerConfig;

  /**
   * @param signal - A batch of signals, `[batch, ...spec.shape]`.
   * @returns int32 `[batch, ...grid]` for discrete tokens, float32 `[batch, ...grid, dim]` for continuous ones.
   */
  abstract encode(signal: S): tf.Tensor;

  /**
   * @param tokens - As `encode` returns them.
   * @returns A batch of signals, `[batch, ...spec.shape]`.
   */
  abstract decode(tokens: tf.Tensor): S;
}
