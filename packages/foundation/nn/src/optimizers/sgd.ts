/**
 * Stochastic gradient descent with momentum, as PyTorch's: u ← momentum · u + g, p ← p − rate · u
 * (Nesterov: p ← p − rate · (g + momentum · u)). `weightDecay` adds weightDecay · p to g.
 */
import { tf } from '@tesserae/tensor';
import { checkBetween } from '../check.ts';
import { type OptimizerConfig, type ParameterUpdate, StatefulOptimizer, type UpdateContext } from './optimizer.ts';

/** Options of {@link SGD}. */
export interface SGDConfig extends OptimizerConfig {
  /** Default 0. */
  readonly momentum?: number;
  /** Look ahead along the momentum. Default false. */
  readonly nesterov?: boolean;
  /** Default 0. */
  readonly weightDecay?: number;
  /** Which parameters are decayed. Default: those of two axes and more. */
  readonly decay?: (name: string, parameter: tf.Variable) => boolean;
}

/** SGD. State: `step`, and `momentum.<parameter>` where there is momentum. */
export class SGD extends StatefulOptimizer {
  readonly #config: SGDConfig;

  /** @throws RangeError on a momentum outside [0, 1), and on Nesterov without momentum. */
  constructor(config: SGDConfig) {
    const { momentum = 0, nesterov = false, weightDecay = 0 } = config;
    super(config, momentum > 0 ? ['momentum'] : []);
    checkBetween('SGD', 'momentum', momentum, 0, 1);
    checkBetween('SGD', 'weightDecay', weightDecay, 0, Infinity);
    if (nesterov && momentum === 0) throw new RangeError("SGD: 'nesterov' needs a 'momentum' above 0, got 0.");
    this.#config = config;
  }

  protected override prepareUpdate({ rate }: UpdateContext): ParameterUpdate {
    const { momentum = 0, nesterov = false, weightDecay = 0 } = this.#config;
    const { decay = (_: string, parameter: tf.Variable): boolean => parameter.rank >= 2 } = this.#config;
    return (path: string, parameter: tf.Variable, gradient: tf.Tensor): void => {
      const decays = weightDecay > 0 && decay(path, parameter);
      const grad = decays ? tf.add(gradient, tf.mul(parameter, weightDecay)) : gradient;
      if (momentum === 0) {
        parameter.assign(tf.sub(parameter, tf.mul(grad, rate)));
        return;
      }
      const slot = this.slot('momentum', path);
      const next = tf.add(tf.mul(slot, momentum), grad);
      const direction = nesterov ? tf.add(grad, tf.mul(next, momentum)) : next;
      parameter.assign(tf.sub(parameter, tf.mul(direction, rate)));
      slot.assign(next);
    };
  }
}
