/**
 * Exponential moving average of parameters (Polyak averaging): average ← decay · average + (1 − decay) · p after each
 * update. Generative models are evaluated and sampled with the averages.
 */
import { tf } from '@tesserae/tensor';
import { checkBetween, shapeText } from '../check.ts';
import { uniqueVariableName } from '../parameter.ts';
import type { Parameters } from './optimizer.ts';

/** Options of {@link Ema}. */
export interface EmaConfig {
  /** Weight of the old average, in [0, 1). Default 0.999: a memory of about 1,000 updates. */
  readonly decay?: number;
  /** Start with a shorter memory: decay at update t (from 0) is min(decay, (1 + t) / (10 + t)). Default false. */
  readonly warmup?: boolean;
}

/** Averages of a set of parameters. */
export class Ema implements Disposable {
  /** Weight of the old average. */
  readonly decay: number;
  readonly #warmup: boolean;
  #step: tf.Variable | undefined;
  readonly #averages = new Map<string, tf.Variable>();
  #swapped = false;

  /** @throws RangeError on a decay outside [0, 1). */
  constructor(config: EmaConfig = {}) {
    const { decay = 0.999, warmup = false } = config;
    checkBetween('Ema', 'decay', decay, 0, 1);
    this.decay = decay;
    this.#warmup = warmup;
  }

  /** Starts the averages at the parameters' current values. Before `compile`; an error on a second call. */
  init(params: Parameters): void {
    if (this.#step) throw new Error('Ema.init: already initialised. Use one Ema for one set of parameters.');
    this.#step = tf.tidy(() => tf.variable(tf.scalar(0, 'int32'), false, uniqueVariableName('ema')));
    for (const [name, parameter] of Object.entries(params)) {
      tf.tidy(() => {
        this.#averages.set(name, tf.variable(tf.clone(parameter), false, uniqueVariableName('ema')));
      });
    }
  }

  /** Moves the averages towards the parameters. Traceable. */
  update(params: Parameters): void {
    if (this.#swapped) throw new Error('Ema.update: the averages are swapped in. Call swap(params) again first.');
    tf.tidy(() => {
      const step = this.#stepOf('update');
      const count = tf.cast(step, 'float32');
      const old = this.#warmup
        ? tf.minimum(tf.div(tf.add(count, 1), tf.add(count, 10)), this.decay)
        : tf.scalar(this.decay);
      const fresh = tf.sub(1, old);
      for (const [name, average] of this.#averages) {
        const parameter = this.#parameter(params, name);
        tf.tidy(() => average.assign(tf.add(tf.mul(average, old), tf.mul(parameter, fresh))));
      }
      step.assign(tf.add(step, tf.scalar(1, 'int32')));
    });
  }

  /** The averages by parameter name: live variables, for saving a model that is only sampled from. */
  averages(): Record<string, tf.Variable> {
    return Object.fromEntries(this.#averages);
  }

  /** All state, live variables by stable names: `step`, `average.<parameter>`. */
  state(): Record<string, tf.Variable> {
    if (!this.#step) return {};
    const named = [...this.#averages].map(([name, average]) => [`average.${name}`, average] as const);
    return { step: this.#step, ...Object.fromEntries(named) };
  }

  /** Copies a saved state in. After `init`. */
  load(saved: Readonly<Record<string, tf.Tensor>>): void {
    this.#stepOf('load');
    const own = this.state();
    for (const [name, variable] of Object.entries(own)) {
      const value = saved[name];
      if (value === undefined || !tf.util.arraysEqual(value.shape, variable.shape)) {
        throw new Error(
          `Ema.load: '${name}' must have shape ${shapeText(variable.shape)}, got ${value ? shapeText(value.shape) : 'none'}. The state was saved for another model.`,
        );
      }
    }
    for (const [name, variable] of Object.entries(own)) {
      tf.tidy(() => variable.assign(tf.cast(tf.clone(saved[name] as tf.Tensor), variable.dtype)));
    }
  }

  /** Exchanges averages and parameters; a second call undoes it. */
  swap(params: Parameters): void {
    this.#stepOf('swap');
    for (const [name, average] of this.#averages) {
      const parameter = this.#parameter(params, name);
      tf.tidy(() => {
        const held = tf.clone(parameter);
        parameter.assign(tf.clone(average));
        average.assign(held);
      });
    }
    this.#swapped = !this.#swapped;
  }

  /** Runs `fn` with the averages in the parameters' place, and puts everything back, also after an error. */
  async within<R>(params: Parameters, fn: () => R | Promise<R>): Promise<R> {
    this.swap(params);
    try {
      return await fn();
    } finally {
      this.swap(params);
    }
  }

  /** Disposes the averages. */
  dispose(): void {
    this.#step?.dispose();
    this.#step = undefined;
    for (const average of this.#averages.values()) average.dispose();
    this.#averages.clear();
  }

  /** `using ema = …` disposes it at the end of the block. */
  [Symbol.dispose](): void {
    this.dispose();
  }

  #stepOf(operation: string): tf.Variable {
    if (!this.#step) throw new Error(`Ema.${operation}: call init(model.parameters()) first.`);
    return this.#step;
  }

  #parameter(params: Parameters, name: string): tf.Variable {
    const parameter = params[name];
    if (!parameter) throw new Error(`Ema: '${name}' was given to init but not now. Pass the same parameters.`);
    return parameter;
  }
}
