/**
 * Layer normalisation (Ba, Kiros and Hinton 2016, arXiv 1607.06450) over the last axis:
 * y = (x − mean) / √(var + ε) · weight + bias, with the biased variance, computed in float32.
 */
import { ops, type tf } from '@tesserae/tensor';
import { checkLastAxis, checkWhole } from '../check.ts';
import { ones, zeros } from '../initializers.ts';
import { Module } from '../module.ts';
import { parameter } from '../parameter.ts';

/** Options of {@link LayerNorm}. */
export interface LayerNormConfig {
  /** Size of the last axis. */
  readonly dim: number;
  /** ε. Default 1e-5. */
  readonly epsilon?: number;
  /** Whether weight and bias are learned. Default true. */
  readonly affine?: boolean;
  /** Whether there is a bias beside the weight. Default true. */
  readonly bias?: boolean;
}

/** Layer normalisation of `[..., dim]`. */
export class LayerNorm extends Module {
  /** `[dim]`, initially 1. */
  readonly weight: tf.Variable | undefined;
  /** `[dim]`, initially 0. */
  readonly bias: tf.Variable | undefined;
  readonly #dim: number;
  readonly #epsilon: number;

  constructor(config: LayerNormConfig) {
    super();
    const { dim, epsilon = 1e-5, affine = true, bias = true } = config;
    checkWhole('LayerNorm', 'dim', dim);
    this.#dim = dim;
    this.#epsilon = epsilon;
    this.weight = affine ? parameter([dim], ones()) : undefined;
    this.bias = affine && bias ? parameter([dim], zeros()) : undefined;
  }

  /** Same shape in and out. */
  call<T extends tf.Tensor>(x: T): T {
    checkLastAxis('LayerNorm.call', x, this.#dim);
    return ops.layerNorm(x, {
      epsilon: this.#epsilon,
      ...(this.weight && { scale: this.weight as tf.Variable<tf.Rank.R1> }),
      ...(this.bias && { offset: this.bias as tf.Variable<tf.Rank.R1> }),
    }) as T;
  }
}
