/** Steps and snapshots that several checks need. */
import { random, tf, tree } from '@tesserae/tensor';
import type { Module } from '@tesserae/nn';
import type { TokenizerFactory } from '../factory.ts';
import type { Tokenizer, TokenizerConfig } from '../tokenizer.ts';
import type { TokenizerLoss, TrainableTokenizer } from '../trainable.ts';

/** A new tokenizer with parameters from a seed. The caller disposes it. */
export function build(factory: TokenizerFactory, config: TokenizerConfig, seed: number): Tokenizer {
  using key = random.key(seed);
  return random.withKey(key, () => factory.create(config));
}

/** The loss of a training step, without gradients and optimizer: codebooks that follow the data are updated. */
export function trainingLoss(trainable: TrainableTokenizer, samples: tf.Tensor, seed: number): TokenizerLoss {
  return tf.tidy(() => {
    const step = tf.scalar(0);
    return random.withKey(random.key(seed), () => trainable.loss(samples, { training: true, step })) as never;
  }) as TokenizerLoss;
}

/** Copies of all parameters and buffers. */
export function snapshot(module: Module): Record<string, tf.Tensor> {
  return tree.map((tensor) => tf.clone(tensor), { ...module.stateDict() } as Record<string, tf.Tensor>);
}
