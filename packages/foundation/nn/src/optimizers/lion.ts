/**
 * Lion (Chen et al. 2023, arXiv 2302.06675, program 2):
 * p ← p − rate · (sign(β₁ m + (1 − β₁) g) + weightDecay · p), m ← β₂ m + (1 − β₂) g.
 *
 * Rates are 3–10 times lower than AdamW's, decay that much higher.
 */
import { tf } from '@tesserae/tensor';
import { checkBetween } from '../check.ts';
import { type OptimizerConfig, type ParameterUpdate, StatefulOptimizer, type UpdateContext } from './optimizer.ts';

/** Options of {@link Lion}. */
export interface LionConfig extends OptimizerConfig {
  /** Default [0.9, 0.99]. */
  readonly betas?: readonly [number, number];
  /** Decoupled, multiplied by the rate. Default 0. */
  readonly weightDecay?: number;
  /** Which parameters are decayed. Default: those of two axes and more. */
  readonly decay?: (name: string, parameter: tf.Variable) => boolean;
}

/** Lion. State: `step`, `m.<parameter>`. */
export class Lion extends StatefulOptimizer {
  readonly #config: LionConfig;

  /** @throws RangeError on betas outside [0, 1). */
  constructor(config: LionConfig) {
    super(config, ['m']);
    const { betas = [0.9, 0.99], weightDecay = 0 } = config;
    checkBetween('Lion', 'betas[0]', betas[0], 0, 1);
    checkBetween('Lion', 'betas[1]', betas[1], 0, 1);
    checkBetween('Lion', 'weightDecay', weightDecay, 0, Infinity);
    this.#config = config;
  }

  protected override prepareUpdate({ rate }: UpdateContext): ParameterUpdate {
    const { betas = [0.9, 0.99], weightDecay = 0 } = this.#config;
    const { decay = (_: string, parameter: tf.Variable): boolean => parameter.rank >= 2 } = this.#config;
    const [beta1, beta2] = betas;
    return (path: string, parameter: tf.Variable, grad: tf.Tensor): void => {
      const m = this.slot('m', path);
      const sign = tf.sign(tf.add(tf.mul(m, beta1), tf.mul(grad, 1 - beta1)));
      const decays = weightDecay > 0 && decay(path, parameter);
      const direction = decays ? tf.add(sign, tf.mul(parameter, weightDecay)) : sign;
      parameter.assign(tf.sub(parameter, tf.mul(direction, rate)));
      m.assign(tf.add(tf.mul(m, beta2), tf.mul(grad, 1 - beta2)));
    };
  }
}
