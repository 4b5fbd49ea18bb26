/**
 * One training step as one compiled program: loss, gradients, clipping, update, averages.
 *
 * Nothing is read back. A step returns a vector of figures on the device, `[loss, terms…, gradient norm, squared norm of
 * each gradient…]`, which the caller reads when it wants to log. Random draws are a function of seed and step alone.
 */
import { clipByGlobalNorm } from '@tesserae/nn';
import type { Ema, Module, Optimizer, Parameters } from '@tesserae/nn';
import { compile, random, tf, tree, valueAndGrad, withPrecision } from '@tesserae/tensor';
import type { StateLayout } from './sharding.ts';

/** What a loss is told. */
export interface LossContext {
  /** Index of the step, 0 for the first; int32 scalar. */
  readonly step: tf.Scalar;
  /** True in `fit`, false in an `Evaluator`. */
  readonly training: boolean;
  /** A key of this step's own, apart from the ambient one that dropout draws from. */
  readonly key: random.Key;
}

/** What a loss returns; further members are ignored. */
export interface LossResult {
  /** What is minimised: float32 scalar. */
  readonly loss: tf.Scalar;
  /** Named parts of it, and any other scalars to log. */
  readonly terms?: Readonly<Record<string, tf.Scalar>>;
}

/** The objective: traceable, so it reads no values. */
export type Loss<B> = (batch: B, context: LossContext) => LossResult;

/** Options of {@link TrainStep}. */
export interface TrainStepConfig<B> {
  readonly name: string;
  readonly model: Module;
  readonly loss: Loss<B>;
  readonly optimizer: Optimizer;
  readonly ema?: Ema | undefined;
  readonly seed: number;
  /** Largest norm of all gradients together. */
  readonly clip?: number | undefined;
  /** Number of batches whose gradients are averaged for one update. */
  readonly accumulate: number;
  /** How the state lies on the mesh in use. */
  readonly layout?: StateLayout | undefined;
}

/** The compiled step. Optimizer and averages must have been initialised. */
export class TrainStep<B> implements Disposable {
  /** Names of the loss terms, known after the first run. */
  termNames: readonly string[] = [];
  /** Names of the parameters, in the order of their figures. */
  readonly parameterNames: readonly string[];
  readonly #config: TrainStepConfig<B>;
  readonly #params: Parameters;
  readonly #sums = new Map<string, tf.Variable>();
  readonly #run: (batches: readonly B[], step: tf.Scalar) => tf.Tensor1D;
  readonly #dispose: () => void;

  constructor(config: TrainStepConfig<B>) {
    this.#config = config;
    this.#params = config.model.parameters();
    this.parameterNames = Object.keys(this.#params);
    const { name } = config;
    if (config.accumulate === 1) {
      const whole = compile((batch: B, step: tf.Scalar) => this.#whole(batch, step), { name });
      this.#run = ([batch], step) => whole(batch as B, step);
      this.#dispose = () => whole.dispose();
      return;
    }
    for (const [path, parameter] of Object.entries(this.#params)) {
      const zeros = (): tf.Variable =>
        tf.variable(tf.zeros(parameter.shape), false, `tesserae/gradient/${path}/${sums++}`);
      this.#sums.set(path, tf.tidy(() => ({ variable: zeros() })).variable);
    }
    config.layout?.place(Object.fromEntries(this.#sums), this.#params);
    const part = compile((batch: B, step: tf.Scalar, index: tf.Scalar) => this.#part(batch, step, index), {
      name: `${name}/gradients`,
    });
    const update = compile((figures: tf.Tensor1D[]) => this.#update(figures), { name: `${name}/update` });
    this.#run = (batches, step) => {
      const figures = batches.map((batch, i) => {
        const index = tf.scalar(i, 'int32');
        try {
          return part(batch, step, index);
        } finally {
          index.dispose();
        }
      });
      try {
        return update(figures);
      } finally {
        tree.dispose(figures);
      }
    };
    this.#dispose = () => {
      part.dispose();
      update.dispose();
      for (const variable of this.#sums.values()) variable.dispose();
    };
  }

  /** Number of figures before the gradients' squared norms: loss, terms, norm. */
  get scalarCount(): number {
    return this.termNames.length + 2;
  }

  /**
   * One update.
   *
   * @param batches - `accumulate` of them.
   * @param step - Index of the step.
   * @returns The figures, a tensor that the caller owns.
   */
  run(batches: readonly B[], step: number): tf.Tensor1D {
    const index = tf.scalar(step, 'int32');
    try {
      return this.#run(batches, index);
    } finally {
      index.dispose();
    }
  }

  /** Frees the program. Optimizer and averages stay. */
  dispose(): void {
    this.#dispose();
  }

  /** `using step = …`. */
  [Symbol.dispose](): void {
    this.dispose();
  }

  #whole(batch: B, step: tf.Scalar): tf.Tensor1D {
    const { figures, grads } = this.#gradients(batch, random.foldIn(random.key(this.#config.seed), step), step);
    return this.#apply(figures, grads);
  }

  #part(batch: B, step: tf.Scalar, index: tf.Scalar): tf.Tensor1D {
    const key = random.foldIn(random.foldIn(random.key(this.#config.seed), step), index);
    const { figures, grads } = this.#gradients(batch, key, step);
    withPrecision('float32', () => {
      for (const [path, sum] of this.#sums) {
        tf.tidy(() => sum.assign(tf.add(sum, tf.mul(grads[path] as tf.Tensor, 1 / this.#config.accumulate))));
      }
    });
    return figures;
  }

  #update(figures: readonly tf.Tensor1D[]): tf.Tensor1D {
    const mean = tf.mean(tf.stack([...figures]), 0) as tf.Tensor1D;
    const result = this.#apply(mean, Object.fromEntries(this.#sums));
    for (const sum of this.#sums.values()) tf.tidy(() => sum.assign(tf.zerosLike(sum)));
    return result;
  }

  /** Figures `[loss, terms…]` and gradients of one batch. */
  #gradients(batch: B, key: random.Key, step: tf.Scalar): { figures: tf.Tensor1D; grads: Record<string, tf.Tensor> } {
    const [ambient, own] = random.split(key, 2) as [random.Key, random.Key];
    const { layout } = this.#config;
    const compute = (): ReturnType<typeof valueAndGrad<Record<string, tf.Scalar>>> =>
      random.withKey(ambient, () =>
        valueAndGrad(() => {
          const { loss, terms = {} } = this.#config.loss(batch, { step, training: true, key: own });
          return { loss, aux: { ...terms } };
        }, this.#params),
      );
    const { value, aux: terms, grads } = layout ? layout.gathered(this.#params, compute) : compute();
    this.termNames = Object.keys(terms);
    return { figures: stackScalars({ loss: value, ...terms }), grads: layout?.scattered(grads) ?? grads };
  }

  /** Clips, updates, averages; appends the norms to the figures. */
  #apply(figures: tf.Tensor1D, grads: Record<string, tf.Tensor>): tf.Tensor1D {
    const { clip, optimizer, ema } = this.#config;
    const squares = tf.stack(this.parameterNames.map((path) => tf.sum(tf.square(grads[path] as tf.Tensor))));
    const norm = tf.sqrt(tf.sum(squares)) as tf.Scalar;
    optimizer.update(this.#params, clip === undefined ? grads : clipByGlobalNorm(grads, clip).grads);
    ema?.update(this.#params);
    return tf.concat([figures, tf.reshape(norm, [1]), squares as tf.Tensor1D]);
  }
}

let sums = 0;

/** Named scalars as one vector. */
export function stackScalars(named: Readonly<Record<string, tf.Scalar>>): tf.Tensor1D {
  const scalars = Object.entries(named).map(([name, scalar]) => {
    if (!(scalar instanceof tf.Tensor) || scalar.rank !== 0) {
      const got = scalar instanceof tf.Tensor ? `shape [${(scalar as tf.Tensor).shape.join(', ')}]` : typeof scalar;
      throw new TypeError(`fit: the loss term '${name}' must be a scalar tensor, got ${got}. Reduce it with tf.mean.`);
    }
    return tf.cast(scalar, 'float32');
  });
  return tf.stack(scalars) as tf.Tensor1D;
}
