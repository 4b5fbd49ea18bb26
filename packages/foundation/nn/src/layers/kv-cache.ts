/**
 * Keys and values of the positions already seen, in variables of fixed size, so that decoding never changes a shape.
 *
 * `at(position)` gives the hook that `MultiHeadAttention` takes. With a tensor as position, one compiled program serves
 * all positions, and writes its rows into the variables' memory (engines that do not compile select between rows and the
 * whole cache). With a number, only the filled part is attended to, which is quicker on engines that do not compile.
 */
import { ops, tf } from '@tesserae/tensor';
import { checkWhole, shapeText } from '../check.ts';
import { uniqueVariableName } from '../parameter.ts';

/** What to attend to. */
export interface KeysAndValues {
  /** `[B, Hkv, Tk, D]`. */
  readonly key: tf.Tensor4D;
  /** `[B, Hkv, Tk, D]`. */
  readonly value: tf.Tensor4D;
  /** Bool, which keys each query may see, `[Tq, Tk]`; undefined for the causal rule with the queries at the end. */
  readonly mask?: tf.Tensor | undefined;
}

/** Gets this call's (already rotated) keys and values, `[B, Hkv, T, D]`, and returns those to attend to. */
export type CacheHook = (key: tf.Tensor4D, value: tf.Tensor4D) => KeysAndValues;

/** Options of {@link KVCache}. */
export interface KVCacheConfig {
  /** B. */
  readonly batch: number;
  /** Hkv. */
  readonly heads: number;
  /** T: positions 0 … length − 1. */
  readonly length: number;
  /** D. */
  readonly headDim: number;
}

/**
 * The cache of one attention layer.
 *
 * @example
 * using cache = new KVCache({ batch: 1, heads: 4, length: 64, headDim: 32 });
 * attention.call(prompt, { cache: cache.at(0) });   // [1, 10, dim]: positions 0 … 9
 * attention.call(next, { cache: cache.at(10) });    // [1, 1, dim]
 */
export class KVCache implements Disposable {
  /** `[B, Hkv, T, D]`, zero where nothing was written. */
  readonly key: tf.Variable;
  /** `[B, Hkv, T, D]`. */
  readonly value: tf.Variable;

  constructor(config: KVCacheConfig) {
    const { batch, heads, length, headDim } = config;
    for (const [name, size] of Object.entries(config)) checkWhole('KVCache', name, size as number);
    const zeros = (): tf.Variable =>
      tf.tidy(() => tf.variable(tf.zeros([batch, heads, length, headDim]), false, uniqueVariableName('cache')));
    this.key = zeros();
    this.value = zeros();
  }

  /**
   * The hook that writes at positions `position`, `position` + 1, …
   *
   * @param position - A number, or an int32 scalar (clamped so that the rows fit: values cannot be read inside `compile`).
   */
  at(position: number | tf.Tensor): CacheHook {
    return (key, value) => {
      const [batch, heads, length, dim] = this.key.shape as [number, number, number, number];
      const count = key.shape[2];
      const fits = key.shape[0] === batch && key.shape[1] === heads && key.shape[3] === dim && count <= length;
      if (!fits) {
        throw new RangeError(
          `KVCache: 'key' must have shape [${batch}, ${heads}, at most ${length}, ${dim}], got ${shapeText(key.shape)}.`,
        );
      }
      if (typeof position !== 'number') return this.#writeAtTensor(key, value, position);
      if (!Number.isInteger(position) || position < 0 || position + count > length) {
        throw new RangeError(
          `KVCache.at: 'position' must lie in [0, ${length - count}] for ${count} new rows, got ${position}.`,
        );
      }
      return this.#writeAtNumber(key, value, position);
    };
  }

  /** Zeroes. */
  reset(): void {
    tf.tidy(() => {
      this.key.assign(tf.zerosLike(this.key));
      this.value.assign(tf.zerosLike(this.value));
    });
  }

  /** Disposes the two variables. */
  dispose(): void {
    this.key.dispose();
    this.value.dispose();
  }

  /** `using cache = …`. */
  [Symbol.dispose](): void {
    this.dispose();
  }

  #writeAtNumber(key: tf.Tensor4D, value: tf.Tensor4D, position: number): KeysAndValues {
    const filled = (variable: tf.Variable, rows: tf.Tensor4D): tf.Tensor4D => {
      const [batch, heads, length, dim] = variable.shape as [number, number, number, number];
      const end = position + rows.shape[2];
      const slice = (from: number, to: number): tf.Tensor4D =>
        tf.slice(variable, [0, 0, from, 0], [batch, heads, to - from, dim]) as tf.Tensor4D;
      const seen = position === 0 ? tf.clone(rows) : tf.concat([slice(0, position), rows], 2);
      variable.assign(end === length ? seen : tf.concat([seen, slice(end, length)], 2));
      return seen;
    };
    return tf.tidy(() => ({ key: filled(this.key, key), value: filled(this.value, value) }));
  }

  #writeAtTensor(key: tf.Tensor4D, value: tf.Tensor4D, position: tf.Tensor): KeysAndValues {
    return tf.tidy(() => {
      const length = this.key.shape[2] as number;
      const count = key.shape[2];
      const slots = tf.range(0, length, 1, 'int32'); // [T]
      const start = tf.cast(tf.reshape(position, []), 'int32');
      const write = (variable: tf.Variable, rows: tf.Tensor4D): tf.Tensor4D => {
        const next = ops.updateSlice(variable, rows, start, { axis: 2 }) as tf.Tensor4D;
        variable.assign(next);
        return next;
      };
      const query = tf.reshape(tf.add(tf.range(0, count, 1, 'int32'), start), [count, 1]);
      const mask = tf.lessEqual(tf.reshape(slots, [1, length]), query); // [Tq, T]
      return { key: write(this.key, key), value: write(this.value, value), mask };
    });
  }
}
