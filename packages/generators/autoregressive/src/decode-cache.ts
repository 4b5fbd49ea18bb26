/**
 * Keys and values of the positions already seen, one pair per layer, allocated once for the whole sequence.
 *
 * Shapes never change while decoding: a step writes at a position that is itself a tensor, so one compiled program
 * serves every position. A cache is a value: a step takes one and returns the next.
 */
import { ops, tf } from '@tesserae/tensor';

/**
 * One entry per layer, each `[B, kvHeads, S, headDim]`; positions that were not written hold zeros. A type, not an
 * interface, so that it is a tree for `tidy` and `compile`.
 */
export type DecodeCache = {
  keys: tf.Tensor4D[];
  values: tf.Tensor4D[];
};

/**
 * Write one position of one layer.
 *
 * In place on engines that compile, where the cache is donated or carried by a loop.
 *
 * @param cache - `[B, H, S, D]`.
 * @param entry - The new row, `[B, H, 1, D]`.
 * @param index - int32 scalar in [0, S).
 * @returns The new cache, `[B, H, S, D]`.
 */
export function writeCache(cache: tf.Tensor4D, entry: tf.Tensor4D, index: tf.Scalar): tf.Tensor4D {
  return ops.updateSlice(cache, entry, index, { axis: 2 }) as tf.Tensor4D;
}

/**
 * Extend the rows of a prefill to a whole cache.
 *
 * @param rows - `[B, H, n, D]` with n ≤ slots.
 * @returns `[B, H, slots, D]`, zeros after row n.
 */
export function padCache(rows: tf.Tensor4D, slots: number): tf.Tensor4D {
  const missing = slots - rows.shape[2];
  return missing === 0
    ? tf.clone(rows)
    : tf.pad(rows, [
        [0, 0],
        [0, 0],
        [0, missing],
        [0, 0],
      ]);
}

/**
 * Another number of slots.
 *
 * @returns Pairs of `[B, H, slots, D]`: without the last rows, or with zeros after them.
 */
export function resizeCache(cache: DecodeCache, slots: number): DecodeCache {
  const resize = (rows: tf.Tensor4D): tf.Tensor4D => {
    const [batch, heads, length, dim] = rows.shape;
    return length > slots ? tf.slice(rows, [0, 0, 0, 0], [batch, heads, slots, dim]) : padCache(rows, slots);
  };
  return { keys: cache.keys.map(resize), values: cache.values.map(resize) };
}

/**
 * Run the layers and collect what they write.
 *
 * A block tidies up after itself, so what its cache hook saw would be disposed with it: rows are kept until the body
 * is done, and then given to the caller's scope.
 *
 * @param body - Gets `record`, to be called once per layer in order with the layer's next keys and values.
 */
export function recordCache<T>(body: (record: (key: tf.Tensor4D, value: tf.Tensor4D) => void) => T): {
  result: T;
  cache: DecodeCache;
} {
  const keys: tf.Tensor4D[] = [];
  const values: tf.Tensor4D[] = [];
  try {
    const result = body((key, value) => {
      keys.push(tf.keep(key));
      values.push(tf.keep(value));
    });
    const own = (rows: tf.Tensor4D[]): tf.Tensor4D[] => rows.map((row) => tf.clone(row));
    return { result, cache: { keys: own(keys), values: own(values) } };
  } finally {
    for (const row of [...keys, ...values]) row.dispose();
  }
}
