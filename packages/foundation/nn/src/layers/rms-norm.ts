/**
 * Root-mean-square normalisation (Zhang and Sennrich 2019, arXiv 1910.07467) over the last axis:
 * y = x / √(mean(x²) + ε) · weight, computed in float32. No mean, no bias.
 */
import { ops, type tf } from '@tesserae/tensor';
import { checkLastAxis, checkWhole } from '../check.ts';
import { ones } from '../initializers.ts';
import { Module } from '../module.ts';
import { parameter } from '../parameter.ts';

/** Options of {@link RMSNorm}. */
export interface RMSNormConfig {
  /** Size of the last axis. */
  readonly dim: number;
  /** ε. Default 1e-5. */
  readonly epsilon?: number;
  /** Whether the weight is learned. Default true. */
  readonly affine?: boolean;
}

/** RMS normalisation of `[..., dim]`. */
export class RMSNorm extends Module {
  /** `[dim]`, initially 1. */
  readonly weight: tf.Variable | undefined;
  readonly #dim: number;
  readonly #epsilon: number;

  constructor(config: RMSNormConfig) {
    super();
    const { dim, epsilon = 1e-5, affine = true } = config;
    checkWhole('RMSNorm', 'dim', dim);
    this.#dim = dim;
    this.#epsilon = epsilon;
    this.weight = affine ? parameter([dim], ones()) : undefined;
  }

  /** Same shape in and out. */
  call<T extends tf.Tensor>(x: T): T {
    checkLastAxis('RMSNorm.call', x, this.#dim);
    return ops.rmsNorm(x, {
      epsilon: this.#epsilon,
      ...(this.weight && { scale: this.weight as tf.Variable<tf.Rank.R1> }),
    }) as T;
  }
}
