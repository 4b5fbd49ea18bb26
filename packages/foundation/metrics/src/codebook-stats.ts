import type { tf } from '@tesserae/tensor';
import { checkSize } from './codebook.ts';

/**
 * Codebook figures over a whole split, batch after batch, counted on the host.
 *
 * ```ts
 * const stats = new CodebookStats(512);
 * for (const batch of batches) stats.add(tokenizer.encode(batch));
 * console.log(stats.usage, stats.perplexity);
 * ```
 */
export class CodebookStats {
  /** Number of codes. */
  readonly codebookSize: number;
  /** How often each code occurred. */
  readonly counts: Float64Array;
  #total = 0;

  constructor(codebookSize: number) {
    checkSize('CodebookStats', codebookSize);
    this.codebookSize = codebookSize;
    this.counts = new Float64Array(codebookSize);
  }

  /**
   * Count some indices. A tensor is read synchronously and stays the caller's; where the engine can only be read
   * asynchronously, pass `await indices.data()`.
   *
   * @throws RangeError on an index outside `[0, codebookSize)`, before any is counted.
   */
  add(indices: tf.Tensor | ArrayLike<number>): void {
    const values = 'dataSync' in indices ? indices.dataSync<'int32'>() : indices;
    for (let i = 0; i < values.length; i++) {
      const value = values[i] as number;
      if (!(Number.isInteger(value) && value >= 0 && value < this.codebookSize)) {
        throw new RangeError(
          `CodebookStats.add: index ${value} at position ${i} is not an integer in [0, ${this.codebookSize})`,
        );
      }
    }
    for (let i = 0; i < values.length; i++) (this.counts[values[i] as number] as number)++;
    this.#total += values.length;
  }

  /** Number of indices counted. */
  get total(): number {
    return this.#total;
  }

  /** Number of codes that occurred. */
  get used(): number {
    return this.counts.reduce((used, count) => used + (count > 0 ? 1 : 0), 0);
  }

  /** The fraction of codes that occurred, 0 before the first index. */
  get usage(): number {
    return this.used / this.codebookSize;
  }

  /**
   * Entropy of the code distribution in nats, 0 before the first index. It is also the cross-entropy a token of the
   * best model that knows only how frequent each code is: the baseline of a prior.
   */
  get entropy(): number {
    let entropy = 0;
    for (const count of this.counts) {
      if (count > 0) entropy -= (count / this.#total) * Math.log(count / this.#total);
    }
    return entropy;
  }

  /** `exp(entropy)`: the number of equally likely codes that would be as hard to guess. */
  get perplexity(): number {
    return Math.exp(this.entropy);
  }
}
