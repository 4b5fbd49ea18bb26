/** Dropout (Srivastava et al. 2014): in training, zero with probability `rate`, the rest scaled by 1/(1 − rate). */
import { random, tf } from '@tesserae/tensor';
import { checkBetween } from '../check.ts';
import type { CallOptions } from '../layer.ts';
import { Module } from '../module.ts';

/** Options of {@link Dropout}. */
export interface DropoutConfig {
  /** Probability to drop, in [0, 1). */
  readonly rate: number;
  /**
   * Axes along which one decision is shared: `[1, 2]` drops whole channels of images, `[1]` on `[B, T, D]` whole features.
   * With all axes but 0 it is stochastic depth. Default none.
   */
  readonly sharedAxes?: readonly number[];
}

/** Dropout; the identity unless `training`. */
export class Dropout extends Module {
  readonly #rate: number;
  readonly #sharedAxes: readonly number[];

  /** @throws RangeError on a rate outside [0, 1). */
  constructor(config: DropoutConfig) {
    super();
    checkBetween('Dropout', 'rate', config.rate, 0, 1);
    this.#rate = config.rate;
    this.#sharedAxes = config.sharedAxes ?? [];
  }

  /** Same shape in and out. With `training` and a rate above 0, draws one key from the ambient scope. */
  call<T extends tf.Tensor>(x: T, options: CallOptions = {}): T {
    if (!options.training || this.#rate === 0) return x;
    return tf.tidy(() => {
      const shape = x.shape.map((size, axis) => (this.#sharedAxes.includes(axis) ? 1 : size));
      const keep = tf.cast(random.bernoulli(random.next(), 1 - this.#rate, shape), 'float32');
      return tf.mul(x, tf.mul(keep, 1 / (1 - this.#rate))) as T;
    });
  }
}
