/**
 * Adam (Kingma and Ba 2015, arXiv 1412.6980) and AdamW (Loshchilov and Hutter 2019, arXiv 1711.05101), with PyTorch's
 * placement of ε:
 *
 *   m ← β₁ m + (1 − β₁) g,  v ← β₂ v + (1 − β₂) g²
 *   p ← p − rate · (m / (1 − β₁ᵗ)) / (√(v / (1 − β₂ᵗ)) + ε)
 *
 * AdamW first shrinks p by rate · weightDecay; Adam adds weightDecay · p to g.
 */
import { tf } from '@tesserae/tensor';
import { checkBetween } from '../check.ts';
import {
  biasCorrection,
  type OptimizerConfig,
  type ParameterUpdate,
  type Parameters,
  StatefulOptimizer,
  type UpdateContext,
} from './optimizer.ts';

/** Options of {@link Adam} and {@link AdamW}. */
export interface AdamConfig extends OptimizerConfig {
  /** Decay rates of the two moments. Default [0.9, 0.999]. */
  readonly betas?: readonly [number, number];
  /** ε, added to the root. Default 1e-8. */
  readonly epsilon?: number;
  /** Default 0.01 for AdamW, 0 for Adam. */
  readonly weightDecay?: number;
  /** Which parameters are decayed. Default: those of two axes and more, so neither biases nor norms. */
  readonly decay?: (name: string, parameter: tf.Variable) => boolean;
}

/** Both rules: they differ in how they decay. */
abstract class AdamBase extends StatefulOptimizer {
  readonly #config: Required<Omit<AdamConfig, 'learningRate'>>;
  readonly #decoupled: boolean;

  protected constructor(config: AdamConfig, decoupled: boolean) {
    super(config, ['m', 'v']);
    const { betas = [0.9, 0.999], epsilon = 1e-8, weightDecay = decoupled ? 0.01 : 0 } = config;
    checkBetween(new.target.name, 'betas[0]', betas[0], 0, 1);
    checkBetween(new.target.name, 'betas[1]', betas[1], 0, 1);
    checkBetween(new.target.name, 'epsilon', epsilon, 0, Infinity);
    checkBetween(new.target.name, 'weightDecay', weightDecay, 0, Infinity);
    const { decay = (_, parameter): boolean => parameter.rank >= 2 } = config;
    this.#config = { betas, epsilon, weightDecay, decay };
    this.#decoupled = decoupled;
  }

  /** Names of the parameters that weight decay acts on. */
  decayed(params: Parameters): string[] {
    return Object.keys(params).filter((name) => this.#config.decay(name, params[name] as tf.Variable));
  }

  protected override prepareUpdate({ rate, count }: UpdateContext): ParameterUpdate {
    const { betas, epsilon, weightDecay, decay } = this.#config;
    const [beta1, beta2] = betas;
    // With s = √(1 − β₂ᵗ): rate · (m / c₁) / (√v / s + ε) = (rate · s / c₁) · m / (√v + ε s), which saves a division.
    const root = tf.sqrt(biasCorrection(beta2, count));
    const stepSize = tf.div(tf.mul(rate, root), biasCorrection(beta1, count));
    const floor = tf.mul(root, epsilon);
    const shrink = tf.sub(1, tf.mul(rate, weightDecay));
    return (path: string, parameter: tf.Variable, gradient: tf.Tensor): void => {
      const decays = weightDecay > 0 && decay(path, parameter);
      const grad = decays && !this.#decoupled ? tf.add(gradient, tf.mul(parameter, weightDecay)) : gradient;
      const m = this.slot('m', path);
      const v = this.slot('v', path);
      const nextM = tf.add(tf.mul(m, beta1), tf.mul(grad, 1 - beta1));
      const nextV = tf.add(tf.mul(v, beta2), tf.mul(tf.square(grad), 1 - beta2));
      const base = decays && this.#decoupled ? tf.mul(parameter, shrink) : parameter;
      parameter.assign(tf.sub(base, tf.div(tf.mul(nextM, stepSize), tf.add(tf.sqrt(nextV), floor))));
      m.assign(nextM);
      v.assign(nextV);
    };
  }
}

/**
 * Adam; `weightDecay` is an L2 penalty on the gradient.
 *
 * State: `step`, `m.<parameter>`, `v.<parameter>`.
 */
export class Adam extends AdamBase {
  /** @throws RangeError on betas outside [0, 1). */
  constructor(config: AdamConfig) {
    super(config, false);
  }
}

/**
 * AdamW: Adam with decay apart from the gradient. The usual choice for transformers; betas [0.9, 0.95] are common there.
 *
 * State: `step`, `m.<parameter>`, `v.<parameter>`.
 *
 * @example
 * const optimizer = new AdamW({ learningRate: schedules.cosine({ peak: 1e-3, warmup: 100, total: 5000 }) });
 * optimizer.init(model.parameters());
 */
export class AdamW extends AdamBase {
  /** @throws RangeError on betas outside [0, 1). */
  constructor(config: AdamConfig) {
    super(config, true);
  }
}
