/** Images from a prior and a tokenizer: sample tokens, decode them. The tokenizer is known by its `spec` alone. */
import { type Key, random, tf } from '@tesserae/tensor';
import { describeSpec, type Tokenizer } from '@tesserae/tokenizer';
import type { ImageGPT } from './image-gpt.ts';
import type { SampleOptions } from './sampler.ts';

/** Options of `generateImages`: those of `ImageGPT.sample`, and these. */
export interface GenerateOptions extends Omit<SampleOptions, 'onToken'> {
  /** Largest number of images sampled at once. Default 64. */
  readonly batchSize?: number;
  /** Called after each token of a batch with the number of tokens drawn so far and in all; awaited. */
  readonly onProgress?: (done: number, total: number) => void | Promise<void>;
}

/** What `generateImages` returns. Both tensors are the caller's to dispose. */
export interface GeneratedImages {
  /** float32 `[count, height, width, channels]`, clamped to [−1, 1]. */
  readonly images: tf.Tensor4D;
  /** int32 `[count, rows, columns]`. */
  readonly tokens: tf.Tensor3D;
}

/**
 * Refuse a model and a tokenizer that do not fit.
 *
 * @throws TypeError when the tokenizer's tokens are not discrete image tokens, RangeError when vocabulary or grid differ.
 */
export function checkTokenizer(model: ImageGPT, tokenizer: Pick<Tokenizer, 'spec'>): void {
  const { spec } = tokenizer;
  if (spec.kind !== 'discrete' || spec.signal !== 'image') {
    throw new TypeError(`ImageGPT models discrete image tokens, but the tokenizer makes ${describeSpec(spec)}`);
  }
  const { grid, vocabulary } = model.config;
  if (!tf.util.arraysEqual([...spec.grid], [...grid]) || spec.vocabulary !== vocabulary) {
    throw new RangeError(
      `The model was made for a grid of ${grid.join('×')} tokens of ${vocabulary}, but the tokenizer makes ` +
        `${describeSpec(spec)}; use the tokenizer that the model was trained on`,
    );
  }
}

/**
 * Sample images.
 *
 * Large counts are drawn in batches of one size (one compiled program); image i depends on `seed`, i and, above
 * `batchSize`, on the batch size.
 *
 * @throws TypeError or RangeError when model and tokenizer do not fit, or for options that `ImageGPT.sample` refuses.
 */
export async function generateImages(
  model: ImageGPT,
  tokenizer: Pick<Tokenizer, 'spec' | 'decode'>,
  options: GenerateOptions,
): Promise<GeneratedImages> {
  checkTokenizer(model, tokenizer);
  const { batchSize = 64, onProgress, seed = 0, condition, prefixTokens, count: _count, ...decoding } = options;
  if (!Number.isSafeInteger(batchSize) || batchSize < 1) {
    throw new RangeError(`generateImages: batchSize must be a positive integer, got ${batchSize}`);
  }
  const count = options.count ?? rowCount(condition);
  if (count === undefined || !Number.isSafeInteger(count) || count < 1) {
    throw new RangeError(`generateImages: count must be a positive integer, got ${String(count)}`);
  }
  if (condition !== undefined && rowCount(condition) !== count) {
    throw new RangeError(`generateImages: condition has ${rowCount(condition)} rows for a count of ${count}`);
  }
  const batches = Math.ceil(count / batchSize);
  const size = Math.ceil(count / batches);
  const [rows, columns] = model.config.grid;
  const base = typeof seed === 'number' ? random.key(seed) : tf.clone(seed);
  const owned: tf.Tensor[] = [base];
  const images: tf.Tensor4D[] = [];
  const tokens: tf.Tensor3D[] = [];
  try {
    for (let batch = 0; batch < batches; batch++) {
      // Rows of this batch; the last one is filled up by repeating its last row, and cut again below.
      const wanted = Math.min(size, count - batch * size);
      const pick = Array.from({ length: size }, (_, i) => batch * size + Math.min(i, wanted - 1));
      // The first batch has the caller's key, as in `sample`; keys up to N are those of the steps.
      const key: Key = batch === 0 ? tf.clone(base) : random.foldIn(base, model.length + batch);
      owned.push(key);
      const chosen = condition && pickRows(condition, pick);
      if (chosen instanceof tf.Tensor) owned.push(chosen);
      const forced = prefixTokens && (rowCount(prefixTokens) === 1 ? prefixTokens : pickRows(prefixTokens, pick));
      if (forced instanceof tf.Tensor && forced !== prefixTokens) owned.push(forced);
      const drawn = await model.sample({
        ...decoding,
        count: size,
        seed: key,
        ...(chosen && { condition: chosen }),
        ...(forced && { prefixTokens: forced as NonNullable<SampleOptions['prefixTokens']> }),
        ...(onProgress && {
          onToken: (position) => onProgress(batch * model.length + position + 1, batches * model.length),
        }),
      });
      owned.push(drawn);
      const grid: tf.Tensor3D = tf.tidy(() => tf.reshape(tf.slice(drawn, 0, wanted), [wanted, rows, columns]));
      tokens.push(grid);
      images.push(tf.tidy(() => tf.clipByValue(tokenizer.decode(grid) as tf.Tensor4D, -1, 1)));
    }
    return { images: tf.concat(images, 0), tokens: tf.concat(tokens, 0) };
  } finally {
    for (const tensor of [...owned, ...images, ...tokens]) tensor.dispose();
  }
}

function rowCount(rows: tf.Tensor | readonly unknown[] | undefined): number | undefined {
  return rows === undefined ? undefined : 'shape' in rows ? rows.shape[0] : rows.length;
}

/** The rows at `pick`, of a tensor (a new one) or an array. */
function pickRows<T>(rows: tf.Tensor | readonly T[], pick: number[]): tf.Tensor | T[] {
  if ('shape' in rows) return tf.tidy(() => tf.gather(rows, tf.tensor1d(pick, 'int32')));
  return pick.map((i) => rows[i] as T);
}
