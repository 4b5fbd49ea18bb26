/**
 * The figures of recent steps: kept on the device until somebody wants to see them, since every read waits for the
 * device. Reading checks them: a loss that is not a number stops the run, with the names of what went wrong first.
 */
import type { tf } from '@tesserae/tensor';

/** A loss, a term or a gradient became NaN or infinite. */
export class NonFiniteError extends Error {
  override readonly name = 'NonFiniteError';
  /** Index of the step, 0 for the first. */
  readonly step: number;
  /** Terms that were not finite; `loss` is the total. */
  readonly terms: readonly string[];
  /** Parameters whose gradients were not finite. */
  readonly parameters: readonly string[];

  /** See the fields. */
  constructor(step: number, terms: readonly string[], parameters: readonly string[]) {
    const first = parameters[0];
    const what =
      terms.length > 0
        ? `the loss term${terms.length > 1 ? 's' : ''} ${terms.map((name) => `'${name}'`).join(', ')}`
        : 'no loss term';
    const where =
      first === undefined
        ? 'all gradients were finite'
        : `the gradients of ${parameters.length} parameters, the first of them '${first}'`;
    super(
      `fit: step ${step} gave numbers that are not finite: ${what}; ${where}. ` +
        'The last checkpoint is from before; `checkNumerics: true` names the op. Lower the learning rate, clip gradients, or look for logarithms and divisions of zero.',
    );
    this.step = step;
    this.terms = terms;
    this.parameters = parameters;
  }
}

/** One step's scalars, as logged: `[loss, terms…, gradient norm]`. */
export interface StepRow {
  readonly step: number;
  readonly values: readonly number[];
}

/** Names of the figures of a step, see `TrainStep`. */
export interface FigureNames {
  readonly termNames: readonly string[];
  readonly parameterNames: readonly string[];
}

/** Collects steps since the last log line. */
export class FigureWindow {
  readonly #waiting: { readonly step: number; readonly figures: tf.Tensor1D }[] = [];
  #rows: StepRow[] = [];

  /** Takes over the tensor. */
  add(step: number, figures: tf.Tensor1D): void {
    this.#waiting.push({ step, figures });
  }

  /** Steps whose figures are still on the device. */
  get waiting(): number {
    return this.#waiting.length;
  }

  /** Puts rows back that a checkpoint carried over. */
  restore(rows: readonly StepRow[]): void {
    this.#rows = [...rows];
  }

  /**
   * Reads what is on the device.
   *
   * @returns All rows since the last `clear`.
   * @throws NonFiniteError for the first step that was not finite.
   */
  async read({ termNames, parameterNames }: FigureNames): Promise<readonly StepRow[]> {
    const waiting = this.#waiting.splice(0);
    const read = await Promise.all(waiting.map(({ figures }) => figures.data()));
    waiting.forEach(({ step, figures }, i) => {
      figures.dispose();
      const values = [...(read[i] as Float32Array)];
      const scalars = values.splice(0, termNames.length + 2);
      const bad = (names: readonly string[], of: readonly number[]): string[] =>
        names.filter((_, at) => !Number.isFinite(of[at]));
      const terms = bad(['loss', ...termNames], scalars);
      const parameters = bad(parameterNames, values);
      if (terms.includes('loss') || parameters.length > 0) {
        this.dispose();
        for (const later of waiting.slice(i + 1)) later.figures.dispose();
        throw new NonFiniteError(step, terms, parameters);
      }
      this.#rows.push({ step, values: scalars });
    });
    return this.#rows;
  }

  /** Begins a new window. */
  clear(): void {
    this.#rows = [];
  }

  /** Frees what was not read. */
  dispose(): void {
    for (const { figures } of this.#waiting.splice(0)) figures.dispose();
  }
}
