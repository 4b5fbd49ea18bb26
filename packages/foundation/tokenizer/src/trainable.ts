/** The contract of a tokenizer that learns: what `fit` needs beyond encode and decode. */
import type { tf } from '@tesserae/tensor';
import type { Tokenizer } from './tokenizer.ts';

/** Options of `TrainableTokenizer.loss`. */
export interface TokenizerLossOptions {
  /** Whether this is a training step (dropout, codebook updates) or a validation. Default false. */
  readonly training?: boolean;
  /** Number of the training step, for terms that ramp up. A tensor, since it changes from call to call. */
  readonly step?: tf.Scalar;
}

/** The result of `TrainableTokenizer.loss`. */
export interface TokenizerLoss<S = tf.Tensor> {
  /** What is minimised: the sum of the weighted terms. */
  readonly loss: tf.Scalar;
  /** Its named parts and any figures worth a log line, such as `reconstruction`, `commitment`, `perplexity`. */
  readonly terms: Record<string, tf.Scalar>;
  /** Output of the decoder for this batch, `[batch, ...spec.shape]`; without `training`, `decode(encode(signal))`. */
  readonly reconstruction: S;
  /** Tokens of this batch, where they are at hand. */
  readonly tokens?: tf.Tensor;
}

/**
 * A tokenizer with an objective. Randomness comes from the ambient key (`random.withKey`), so a step is a function of
 * parameters, batch and key.
 */
export interface TrainableTokenizer<S = tf.Tensor> extends Tokenizer<S> {
  /** Traceable: reads no values, so that `fit` can compile it together with gradients and the update. */
  loss(signal: S, options?: TokenizerLossOptions): TokenizerLoss<S>;

  /**
   * Initialise from data (k-means of the codebook, normalisation statistics), once, before the first step. Not called
   * on resume: what it sets is part of the state dict.
   *
   * @param signal - One or more batches' worth of training signals.
   */
  prepare?(signal: S, key: tf.Tensor1D): void;
}

/** Whether a tokenizer can be trained here, that is, has a `loss`. */
export function isTrainable<S>(tokenizer: Tokenizer<S>): tokenizer is TrainableTokenizer<S> {
  return typeof (tokenizer as Partial<TrainableTokenizer<S>>).loss === 'function';
}
