/** The mean of a loss over a data set, without training: what `validate` usually is. */
import { compile, random, tf, tree } from '@tesserae/tensor';
import { type BatchSource, type OnDevice, upload } from './batch.ts';
import { type Loss, stackScalars } from './train-step.ts';

/** Options of {@link Evaluator}. */
export interface EvaluatorConfig<B> {
  /** As given to `fit`; it gets `training: false`. */
  readonly loss: Loss<OnDevice<B>>;
  /** One pass: a loader with `epochs: 1`, an array of batches, …. */
  readonly data: BatchSource<B>;
  /** At most this many batches. Default all. */
  readonly batches?: number;
  /** Of any random draws; the same in each run. Default 0. */
  readonly seed?: number;
}

/**
 * Evaluates again and again with one compiled program.
 *
 * @example
 * using evaluator = new Evaluator({ loss, data: loader(heldOut, { batchSize: 64, shuffle: false, epochs: 1 }) });
 * await fit({ …, validate: () => evaluator.run() });
 */
export class Evaluator<B> implements Disposable {
  readonly #config: EvaluatorConfig<B>;
  readonly #program: ReturnType<typeof compile<[OnDevice<B>, tf.Scalar], tf.Tensor1D>>;
  #names: readonly string[] = [];

  constructor(config: EvaluatorConfig<B>) {
    this.#config = config;
    const evaluate = (batch: OnDevice<B>, step: tf.Scalar): tf.Tensor1D => {
      const [ambient, own] = random.split(random.foldIn(random.key(config.seed ?? 0), step), 2) as [
        random.Key,
        random.Key,
      ];
      const { loss, terms = {} } = random.withKey(ambient, () =>
        config.loss(batch, { step, training: false, key: own }),
      );
      this.#names = ['loss', ...Object.keys(terms)];
      return stackScalars({ loss, ...terms });
    };
    this.#program = compile(evaluate, { name: 'evaluate' });
  }

  /**
   * One pass over the data.
   *
   * @returns Means of the loss and its terms, each batch weighted by its size (the first axis of its first tensor).
   * @throws RangeError where there is no batch.
   */
  async run(): Promise<Record<string, number>> {
    const { data, batches = Infinity } = this.#config;
    const figures: { weight: number; values: tf.Tensor1D }[] = [];
    try {
      for await (const host of data) {
        if (figures.length >= batches) break;
        using uploaded = upload(host, { uneven: true });
        const step = tf.scalar(figures.length, 'int32');
        const values = this.#program(uploaded.batch, step);
        step.dispose();
        figures.push({ weight: tree.leaves(uploaded.batch)[0]?.shape[0] ?? 1, values });
      }
      if (figures.length === 0) throw new RangeError("Evaluator.run: 'data' gave no batch.");
      const sums = this.#names.map(() => 0);
      let total = 0;
      for (const { weight, values } of figures) {
        const read = await values.data();
        total += weight;
        sums.forEach((_, i) => (sums[i] = (sums[i] as number) + weight * (read[i] as number)));
      }
      return Object.fromEntries(this.#names.map((name, i) => [name, (sums[i] as number) / total]));
    } finally {
      for (const { values } of figures) values.dispose();
    }
  }

  /** Frees the program. */
  dispose(): void {
    this.#program.dispose();
  }

  /** `using evaluator = …`. */
  [Symbol.dispose](): void {
    this.dispose();
  }
}
