/** What training a tokenizer and training a prior have in common. */
import { currentPrecision, withPrecision } from '@tesserae/tensor';
import type { Precision } from '@tesserae/tensor';

/** Settings of a training run. */
export interface TrainingSettings {
  /** Updates in all. */
  readonly steps: number;
  /** Items in a batch. */
  readonly batch: number;
  /** Peak learning rate. */
  readonly learningRate: number;
  /** Of all random draws. */
  readonly seed: number;
  /** Whether to continue from the last checkpoint. */
  readonly resume: boolean;
  /** Of matrix products and convolutions; `auto` is the engine's. */
  readonly precision: Precision | 'auto';
  /** Steps between checkpoints. */
  readonly checkpointEvery: number;
  /** Steps between lines of the log. */
  readonly logEvery: number;
}

/** Runs `fn` at the precision of the settings. */
export function atPrecision<R>(precision: TrainingSettings['precision'], fn: () => R): R {
  return withPrecision(precision === 'auto' ? currentPrecision() : precision, fn);
}
