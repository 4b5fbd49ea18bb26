/**
 * Group normalisation (Wu and He 2018, arXiv 1803.08494): each sample's channels in groups, over all positions.
 * y = (x − mean) / √(var + ε) · weight + bias, with the biased variance, computed in float32.
 */
import { ops, type tf } from '@tesserae/tensor';
import { checkLastAxis, checkWhole } from '../check.ts';
import { ones, zeros } from '../initializers.ts';
import { Module } from '../module.ts';
import { parameter } from '../parameter.ts';

/** Options of {@link GroupNorm}. */
export interface GroupNormConfig {
  /** Size of the last axis. */
  readonly channels: number;
  /** Must divide `channels`. Default 32; 1 normalises over all channels, `channels` is instance norm. */
  readonly groups?: number;
  /** ε. Default 1e-5. */
  readonly epsilon?: number;
  /** Whether weight and bias are learned. Default true. */
  readonly affine?: boolean;
}

/** Group normalisation of `[B, ...positions, channels]`. */
export class GroupNorm extends Module {
  /** `[channels]`, initially 1. */
  readonly weight: tf.Variable | undefined;
  /** `[channels]`, initially 0. */
  readonly bias: tf.Variable | undefined;
  readonly #channels: number;
  readonly #groups: number;
  readonly #epsilon: number;

  /** @throws RangeError where `groups` does not divide `channels`. */
  constructor(config: GroupNormConfig) {
    super();
    const { channels, groups = 32, epsilon = 1e-5, affine = true } = config;
    checkWhole('GroupNorm', 'channels', channels);
    checkWhole('GroupNorm', 'groups', groups);
    if (channels % groups !== 0) {
      throw new RangeError(
        `GroupNorm: 'groups' must divide channels (${channels}), got ${groups}. Pass another 'groups'.`,
      );
    }
    this.#channels = channels;
    this.#groups = groups;
    this.#epsilon = epsilon;
    this.weight = affine ? parameter([channels], ones()) : undefined;
    this.bias = affine ? parameter([channels], zeros()) : undefined;
  }

  /** Same shape in and out. */
  call<T extends tf.Tensor>(x: T): T {
    checkLastAxis('GroupNorm.call', x, this.#channels);
    return ops.groupNorm(x, {
      groups: this.#groups,
      epsilon: this.#epsilon,
      ...(this.weight && { scale: this.weight as tf.Variable<tf.Rank.R1> }),
      ...(this.bias && { offset: this.bias as tf.Variable<tf.Rank.R1> }),
    }) as T;
  }
}
