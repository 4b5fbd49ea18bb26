/**
 * Building tokenizers by name. There is no global registry: whoever loads a tokenizer passes the factories it knows.
 */
import type { tf } from '@tesserae/tensor';
import type { Tokenizer, TokenizerConfig } from './tokenizer.ts';

/**
 * How a tokenizer of one kind is built. A tokenizer package exports it under the name `tokenizer`, so that an app can
 * be given the package's name or the path of a file:
 *
 * ```ts
 * export const tokenizer: TokenizerFactory = { kind: 'mine', create: (config) => new MyTokenizer(config) };
 * ```
 *
 * @typeParam S - What a batch of signals is.
 */
export interface TokenizerFactory<S = tf.Tensor> {
  /** Equals the `kind` of the tokenizers that it builds. */
  readonly kind: string;
  /** One line for a list that a person reads. */
  readonly description?: string;
  /**
   * Build one, with new parameters drawn from the ambient key. `{ shape }` alone must do.
   *
   * @throws RangeError or TypeError naming the option that cannot be.
   */
  create(config: TokenizerConfig): Tokenizer<S>;
}
