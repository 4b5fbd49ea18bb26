/** Rotary rows for the whole sequence of a model: its condition positions, then its image tokens. */
import type { RotaryTable } from '@tesserae/nn';
import { tf } from '@tesserae/tensor';
import { conditionLength, imageTokens, type ResolvedConfig } from './config.ts';
import { rope2dAngles } from './rope2d.ts';

/**
 * Holds cosines and sines on the host, so that a model owns no tensors beside its parameters; a traced program gets
 * them as constants.
 */
export class SequenceRotary {
  readonly #cos: Float32Array;
  readonly #sin: Float32Array;
  readonly #pairs: number;
  readonly #positions: number;

  constructor(config: ResolvedConfig) {
    const [rows, columns] = config.grid;
    const headDim = config.dim / config.heads;
    const before = conditionLength(config.condition);
    this.#pairs = headDim / 2;
    this.#positions = before + imageTokens(config) - 1; // the last token is never fed
    const angles = rope2dAngles(rows, columns, headDim, config.ropeBase);
    const tokens = angles.subarray(0, angles.length - this.#pairs);
    this.#cos = new Float32Array(this.#positions * this.#pairs);
    this.#sin = new Float32Array(this.#positions * this.#pairs);
    // Condition positions are not turned. The reference turns them by a cosine of 0 instead, which erases them.
    this.#cos.fill(config.referenceZeroRope ? 0 : 1, 0, before * this.#pairs);
    this.#cos.set(Float32Array.from(tokens, Math.cos), before * this.#pairs);
    this.#sin.set(Float32Array.from(tokens, Math.sin), before * this.#pairs);
  }

  /** Rows of the first `count` positions, `[count, headDim / 2]`. */
  first(count: number): RotaryTable {
    const rows = (values: Float32Array): tf.Tensor2D =>
      tf.tensor2d(values.slice(0, count * this.#pairs), [count, this.#pairs]);
    return { cos: rows(this.#cos), sin: rows(this.#sin) };
  }

  /** The row of position `index`, an int32 scalar: `[1, headDim / 2]`. */
  at(index: tf.Scalar): RotaryTable {
    const { cos, sin } = this.first(this.#positions) as { cos: tf.Tensor2D; sin: tf.Tensor2D };
    const row = tf.reshape(index, [1]) as tf.Tensor1D;
    return { cos: tf.gather(cos, row), sin: tf.gather(sin, row) };
  }
}
