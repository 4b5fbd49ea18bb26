/**
 * What optimizers have in common: named state in variables, a step count on the device, an update that can be traced.
 *
 * `init` makes the state for a set of parameters, once and before `compile`; `update` assigns parameters and state from
 * gradients and reads nothing, so that it becomes part of the compiled step. State names are stable, `m.<parameter>`,
 * `step`, …, and are what checkpoints hold.
 */
import { tf, withPrecision } from '@tesserae/tensor';
import { shapeText } from '../check.ts';
import { uniqueVariableName } from '../parameter.ts';
import type { Schedule } from './schedule.ts';

/** Variables by name, as `Module.parameters()` gives them. */
export type Parameters = Readonly<Record<string, tf.Variable>>;

/** Tensors by parameter name, as `valueAndGrad` gives them. */
export type Gradients = Readonly<Record<string, tf.Tensor>>;

/** An update rule with its state. */
export interface Optimizer extends Disposable {
  /** Makes the state for these parameters. Must come before `update`; an error on a second call. */
  init(params: Parameters): void;
  /** One update: assigns every parameter and the state. Traceable. */
  update(params: Parameters, grads: Gradients): void;
  /** The state, live variables by stable names. Empty before `init`. */
  state(): Record<string, tf.Variable>;
  /** Copies a saved state in, checked first. After `init`. */
  load(state: Readonly<Record<string, tf.Tensor>>): void;
  /** The learning rate of the next update, a new scalar. */
  learningRate(): tf.Scalar;
  /** Disposes the state. */
  dispose(): void;
}

/** Options of every optimizer. */
export interface OptimizerConfig {
  /** A number, or a schedule. */
  readonly learningRate: number | Schedule;
}

/** Scalars that all parameters of one update share. */
export interface UpdateContext {
  /** Learning rate, float32 scalar. */
  readonly rate: tf.Scalar;
  /** 1 for the first update, float32 scalar. */
  readonly count: tf.Scalar;
}

/** Assigns one parameter and its slots; what it computes on the way is disposed by the caller. */
export type ParameterUpdate = (path: string, parameter: tf.Variable, grad: tf.Tensor) => void;

/** Base class: bookkeeping of state, step and rate. A subclass names its slots and says how one parameter changes. */
export abstract class StatefulOptimizer implements Optimizer {
  readonly #rate: number | Schedule;
  readonly #slots: readonly string[];
  #step: tf.Variable | undefined;
  readonly #state = new Map<string, tf.Variable>();

  /** @param slots - Names of the tensors kept for each parameter, zero at the start and of its shape. */
  protected constructor(config: OptimizerConfig, slots: readonly string[]) {
    const { learningRate } = config;
    if (typeof learningRate === 'number' && !(learningRate >= 0 && Number.isFinite(learningRate))) {
      throw new RangeError(
        `${new.target.name}: 'learningRate' must be a number of at least 0 or a schedule, got ${learningRate}.`,
      );
    }
    this.#rate = learningRate;
    this.#slots = slots;
  }

  /** See {@link Optimizer.init}. */
  init(params: Parameters): void {
    const name = this.constructor.name;
    if (this.#step) {
      throw new Error(`${name}.init: already initialised. Use one optimizer for one set of parameters.`);
    }
    const entries = Object.entries(params);
    if (entries.length === 0) {
      throw new RangeError(
        `${name}.init: 'params' is empty. Pass model.parameters() of a model with trainable fields.`,
      );
    }
    tf.tidy(() => {
      this.#step = tf.variable(tf.scalar(0, 'int32'), false, uniqueVariableName('optimizer'));
      for (const slot of this.#slots) {
        for (const [path, parameter] of entries) {
          const zero = tf.zeros(parameter.shape);
          this.#state.set(`${slot}.${path}`, tf.variable(zero, false, uniqueVariableName('optimizer')));
        }
      }
    });
  }

  /** See {@link Optimizer.update}. */
  update(params: Parameters, grads: Gradients): void {
    // Weights and state are float32 whatever the products of the model compute with.
    withPrecision('float32', () => this.#updateAll(params, grads));
  }

  #updateAll(params: Parameters, grads: Gradients): void {
    tf.tidy(() => {
      const step = this.#stepOf('update');
      const index = tf.cast(step, 'float32');
      const context: UpdateContext = { rate: this.#rateAt(index), count: tf.add(index, 1) };
      const updateOne = this.prepareUpdate(context);
      for (const [path, parameter] of Object.entries(params)) {
        const grad = grads[path];
        if (grad === undefined || !tf.util.arraysEqual(grad.shape, parameter.shape)) {
          throw new RangeError(
            `${this.constructor.name}.update: the gradient of '${path}' must have shape ${shapeText(parameter.shape)}, got ${grad ? shapeText(grad.shape) : 'none'}. Pass the grads that valueAndGrad gave for the same params.`,
          );
        }
        // A scope each, so that on engines that compute at once only one parameter's intermediates live at a time.
        tf.tidy(() => updateOne(path, parameter, grad));
      }
      step.assign(tf.add(step, tf.scalar(1, 'int32')));
    });
  }

  /** See {@link Optimizer.state}. */
  state(): Record<string, tf.Variable> {
    return this.#step ? { step: this.#step, ...Object.fromEntries(this.#state) } : {};
  }

  /** See {@link Optimizer.load}. */
  load(saved: Readonly<Record<string, tf.Tensor>>): void {
    const own = this.state();
    this.#stepOf('load');
    const problems: string[] = [];
    for (const [name, variable] of Object.entries(own)) {
      const value = saved[name];
      if (value === undefined) problems.push(`'${name}' is missing`);
      else if (!tf.util.arraysEqual(value.shape, variable.shape)) {
        problems.push(`'${name}' has shape ${shapeText(variable.shape)} here and ${shapeText(value.shape)} there`);
      }
    }
    for (const name of Object.keys(saved)) if (!(name in own)) problems.push(`'${name}' is not part of it`);
    if (problems.length > 0) {
      throw new Error(
        `${this.constructor.name}.load: the state does not fit: ${problems.slice(0, 12).join('; ')}. It was saved by another optimizer or for another model.`,
      );
    }
    for (const [name, variable] of Object.entries(own)) {
      tf.tidy(() => variable.assign(tf.cast(tf.clone(saved[name] as tf.Tensor), variable.dtype)));
    }
  }

  /** See {@link Optimizer.learningRate}. */
  learningRate(): tf.Scalar {
    return tf.tidy(() => this.#rateAt(tf.cast(this.#stepOf('learningRate'), 'float32')));
  }

  /** See {@link Optimizer.dispose}. */
  dispose(): void {
    this.#step?.dispose();
    this.#step = undefined;
    for (const variable of this.#state.values()) variable.dispose();
    this.#state.clear();
  }

  /** `using optimizer = …` disposes its state at the end of the block. */
  [Symbol.dispose](): void {
    this.dispose();
  }

  /** Computes what all parameters share, and returns the function that updates one of them. Runs in a `tidy`. */
  protected abstract prepareUpdate(context: UpdateContext): ParameterUpdate;

  /** The slot of one parameter. */
  protected slot(slot: string, path: string): tf.Variable {
    const variable = this.#state.get(`${slot}.${path}`);
    if (variable === undefined) {
      throw new Error(
        `${this.constructor.name}.update: '${path}' was not among the parameters given to init. Freeze or add parameters before init.`,
      );
    }
    return variable;
  }

  #stepOf(operation: string): tf.Variable {
    if (this.#step === undefined) {
      throw new Error(`${this.constructor.name}.${operation}: call init(model.parameters()) first.`);
    }
    return this.#step;
  }

  #rateAt(index: tf.Tensor): tf.Scalar {
    return typeof this.#rate === 'number' ? tf.scalar(this.#rate) : this.#rate(index as tf.Scalar);
  }
}

/** 1 − beta^count, accurate also where beta^count is near 1 (float32 `pow` would lose four digits at the first step). */
export function biasCorrection(beta: number, count: tf.Scalar): tf.Scalar {
  if (beta === 0) return tf.scalar(1);
  return tf.neg(tf.expm1(tf.mul(count, Math.log(beta))));
}
