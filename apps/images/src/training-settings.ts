/** What training a tokenizer and training a prior have in common. */
import { currentPrecision, mesh, withPrecision } from '@tesserae/tensor';
import type { Precision } from '@tesserae/tensor';
import type { FitOptions } from '@tesserae/train';

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
  /** Devices that share each batch. Default 1. */
  readonly devices?: number;
  /** How the state lies on them. Default `replicated`. */
  readonly sharding?: 'replicated' | 'sharded';
}

/** What `fit` takes for the devices of the settings. */
export function meshOptions({
  devices = 1,
  sharding = 'replicated',
}: TrainingSettings): Pick<FitOptions<never>, 'mesh' | 'sharding'> {
  return devices === 1 ? {} : { mesh: mesh({ data: devices }), sharding };
}

/** Runs `fn` at the precision of the settings. */
export function atPrecision<R>(precision: TrainingSettings['precision'], fn: () => R): R {
  return withPrecision(precision === 'auto' ? currentPrecision() : precision, fn);
}
