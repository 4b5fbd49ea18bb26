/**
 * Draws images' tokens one position after the other with cached keys and values.
 *
 * Two compiled programs do the work: the prefill (condition and forced tokens in one pass) and the steps (one token in,
 * one token out; guidance, filtering and the draw inside). A step takes its position as a tensor and writes its row into
 * the donated cache. On engines that compile, all steps are one call; where somebody waits for single tokens,
 * one step is compiled and called N−1 times. No value comes back to the host in between.
 *
 * Token i of every image is drawn with the key `foldIn(key(seed), i)`: forcing the first tokens of an earlier run and
 * sampling with its seed continues as that run did.
 */
import { compile, type Compiled, isCompiling, type Key, ops, random, tf } from '@tesserae/tensor';
import { checkTokenRange } from '@tesserae/tokenizer';
import { cfgCombine } from './cfg-combine.ts';
import type { ImageGPT } from './image-gpt.ts';
import { type DecodeCache, resizeCache } from './decode-cache.ts';
import { type DrawOptions, nextToken } from './next-token.ts';

/** How logits become a token. Plain numbers, fixed when a step is compiled. */
export interface DecodeOptions extends DrawOptions {
  /** Strength of guidance, s in ℓ_u + s·(ℓ_c − ℓ_u). Default 1: no guidance, half the work. */
  readonly cfgScale?: number;
  /** Guide only the first token and this many steps after it and one, as the reference counts; −1, the default: all. */
  readonly cfgInterval?: number;
}

/** Options of `ImageGPT.sample`. */
export interface SampleOptions extends DecodeOptions {
  /** Number of images. Default: the length of `condition`, which then must be given. */
  readonly count?: number;
  /** Labels `[count]` as numbers or int32, or a tensor as `ForwardOptions.condition`. Default: the null condition. */
  readonly condition?: tf.Tensor | readonly number[];
  /** A number, or a key that stays the caller's. Default 0. */
  readonly seed?: number | Key;
  /** Tokens to start every image with: one row for all, or a row per image. int32 `[count, n]`, n < N. */
  readonly prefixTokens?: tf.Tensor2D | readonly (readonly number[])[];
  /**
   * Called with each position and its tokens, int32 `[count]`, which live until the call ends; awaited. Without it, all
   * tokens are one computation on engines that compile.
   */
  readonly onToken?: (position: number, tokens: tf.Tensor1D) => void | Promise<void>;
}

/** What goes from step to step. */
export type DecodeState = {
  /** int32 `[count]`: the tokens drawn last. */
  tokens: tf.Tensor1D;
  /** Cache of `count` sequences, or of 2·count with guidance: conditional ones first. */
  cache: DecodeCache;
};

/**
 * One step: feed the last tokens, draw the next. Traceable; shapes do not depend on the position.
 *
 * @param model - Whose tokens.
 * @param state - The tokens drawn last and the cache; not disposed.
 * @param position - int32 scalar in [1, N): number of the token to draw.
 * @param key - Key of the whole sequence; the step folds the position in.
 * @param options - How logits become a token.
 * @returns The next state.
 */
export function decodeStep(
  model: ImageGPT,
  state: DecodeState,
  position: tf.Scalar,
  key: tf.Tensor1D,
  options: DecodeOptions,
): DecodeState {
  const { tokens, cache } = state;
  const guided = (options.cfgScale ?? 1) !== 1;
  const { logits, cache: next } = model.step(guided ? tf.concat([tokens, tokens]) : tokens, position, cache);
  return { tokens: draw(logits, position, key, options), cache: next };
}

/** Guide, filter and draw: `[count, V]`, or `[2·count, V]` with guidance, -> `[count]`. */
function draw(logits: tf.Tensor2D, position: tf.Scalar, key: tf.Tensor1D, options: DecodeOptions): tf.Tensor1D {
  const { cfgScale = 1, cfgInterval = -1, ...drawing } = options;
  let combined = logits;
  if (cfgScale !== 1) {
    const [conditional, unconditional] = tf.split(logits, 2, 0) as [tf.Tensor2D, tf.Tensor2D];
    combined = cfgCombine(conditional, unconditional, cfgScale);
    if (cfgInterval >= 0) {
      // The reference counts steps after the first token, from 0, and stops guiding once the count exceeds the interval.
      const over = tf.greater(position, tf.scalar(cfgInterval + 1, 'int32'));
      combined = tf.where(over, conditional, combined);
    }
  }
  return nextToken(combined, drawing, random.foldIn(key, position));
}

/** Number of steps from which on they are two loops. */
const splitAbove = 8;

/**
 * All steps that are left, as two loops: the first with a cache that is cut after its last row, since a step reads the
 * whole cache. At batch 64 that saves 11 %; four or eight loops save no more.
 *
 * @param state - As for `decodeStep`.
 * @param positions - int32 `[n]`: numbers of the tokens to draw.
 * @returns int32 `[n, count]`.
 */
function decodeRest(
  model: ImageGPT,
  state: DecodeState,
  positions: tf.Tensor1D,
  key: tf.Tensor1D,
  options: DecodeOptions,
): tf.Tensor2D {
  const [count] = positions.shape;
  const size = count < splitAbove ? count : Math.ceil(count / 2);
  const drawn: tf.Tensor2D[] = [];
  let current = state;
  for (let start = 0; start < count; start += size) {
    const end = Math.min(count, start + size);
    // The last position of this part is the first of the image, `model.length - count`, and `end - 1` more.
    const slots = model.conditionLength + model.length - count + end - 1;
    const { carry, outputs } = ops.scan(
      (before: DecodeState, position: tf.Tensor) => {
        const next = decodeStep(model, before, position as tf.Scalar, key, options);
        return { carry: next, output: next.tokens };
      },
      { tokens: current.tokens, cache: resizeCache(current.cache, slots) },
      tf.slice(positions, start, end - start),
    );
    drawn.push(outputs as tf.Tensor as tf.Tensor2D);
    current = carry;
  }
  return tf.concat(drawn, 0);
}

/** Compiled sampling for one model; `ImageGPT.sample` makes one and keeps it. */
export class Sampler {
  readonly #model: ImageGPT;
  readonly #prefill: Compiled<[PrefillInput, DecodeOptions & { batch: number }], DecodeState>;
  readonly #step: Compiled<[DecodeState, tf.Scalar, tf.Tensor1D, DecodeOptions], DecodeState>;
  readonly #rest: Compiled<[DecodeState, tf.Tensor1D, tf.Tensor1D, DecodeOptions], tf.Tensor2D>;

  constructor(model: ImageGPT) {
    this.#model = model;
    this.#prefill = compile(
      (
        { tokens, condition, position, key }: PrefillInput,
        { batch, ...options }: DecodeOptions & { batch: number },
      ) => {
        const { logits, cache } = model.prefill(batch, tokens, condition);
        return { tokens: draw(logits, position, key, options), cache };
      },
      { name: 'ImageGPT prefill' },
    );
    this.#step = compile(
      (state: DecodeState, position: tf.Scalar, key: tf.Tensor1D, options: DecodeOptions) =>
        decodeStep(model, state, position, key, options),
      { name: 'ImageGPT decode step', donate: [0] },
    );
    this.#rest = compile(
      (state: DecodeState, positions: tf.Tensor1D, key: tf.Tensor1D, options: DecodeOptions) =>
        decodeRest(model, state, positions, key, options),
      { name: 'ImageGPT decode', donate: [0] },
    );
  }

  /** See `ImageGPT.sample`. */
  async sample(options: SampleOptions): Promise<tf.Tensor2D> {
    const { seed = 0, onToken } = options;
    const decoding = decodeOptions(options);
    const inputs = await prepareInputs(this.#model, options);
    const key = typeof seed === 'number' ? random.key(seed) : tf.clone(seed);
    const columns: tf.Tensor2D[] = inputs.forced ? [inputs.forced] : []; // each [count, ≥ 1]
    const start = inputs.forced?.shape[1] ?? 0;
    let state: DecodeState | undefined;
    try {
      for (let index = start; index < this.#model.length; index++) {
        const position = tf.scalar(index, 'int32');
        const next =
          state === undefined
            ? this.#prefill({ ...inputs.prefill, position, key }, { ...decoding, batch: inputs.batch })
            : this.#step(state, position, key, decoding);
        position.dispose();
        state = next;
        columns.push(tf.reshape(state.tokens, [inputs.count, 1]));
        if (onToken) await onToken(index, state.tokens);
        else if (isCompiling(tf.backend()) && index + 1 < this.#model.length) {
          // Nobody waits for single tokens: one call for all of them.
          const positions = tf.range(index + 1, this.#model.length, 1, 'int32');
          const rest = this.#rest(state, positions, key, decoding); // [n, count]
          columns.push(tf.transpose(rest));
          tf.dispose([positions, rest]);
          break;
        }
      }
      return tf.concat(columns, 1);
    } finally {
      if (state) disposeState(state);
      for (const tensor of [key, ...columns, ...Object.values(inputs.prefill)]) tensor.dispose();
    }
  }

  /** Drop the compiled programs. */
  dispose(): void {
    this.#prefill.dispose();
    this.#step.dispose();
    this.#rest.dispose();
  }
}

interface PrefillInput {
  /** int32 `[batch, n]`. */
  readonly tokens?: tf.Tensor2D;
  readonly condition?: tf.Tensor;
  readonly position: tf.Scalar;
  readonly key: tf.Tensor1D;
}

interface SampleInputs {
  readonly count: number;
  /** Rows of the model's batch: `count`, or twice that with guidance. */
  readonly batch: number;
  /** int32 `[count, n]`. */
  readonly forced: tf.Tensor2D | undefined;
  readonly prefill: { tokens?: tf.Tensor2D; condition?: tf.Tensor };
}

/** Only what a step depends on, so that seeds and callbacks do not make another program. */
function decodeOptions(options: SampleOptions): DecodeOptions {
  const { temperature = 1, topK = 0, topP = 1, cfgScale = 1, cfgInterval = -1 } = options;
  if (!Number.isFinite(cfgScale)) throw new RangeError(`ImageGPT.sample: cfgScale must be a number, got ${cfgScale}`);
  if (!Number.isSafeInteger(cfgInterval)) {
    throw new RangeError(`ImageGPT.sample: cfgInterval must be an integer (−1 = always), got ${cfgInterval}`);
  }
  return { temperature, topK, topP, cfgScale, cfgInterval };
}

/** Check the arguments and lay out what the prefill takes; with guidance, every row twice, the second with the null. */
async function prepareInputs(model: ImageGPT, options: SampleOptions): Promise<SampleInputs> {
  const { condition: given, cfgScale = 1 } = options;
  const guided = cfgScale !== 1;
  const type = model.config.condition.type;
  if (guided && (type === 'none' || type === 'prefix')) {
    throw new RangeError(
      `ImageGPT.sample: cfgScale ${cfgScale} needs a null condition, and a '${type}' model has none`,
    );
  }
  const givenCount = given === undefined ? undefined : 'shape' in given ? given.shape[0] : given.length;
  const count = options.count ?? givenCount;
  if (count === undefined || !Number.isSafeInteger(count) || count < 1) {
    throw new RangeError(`ImageGPT.sample: count must be a positive integer, got ${String(count)}`);
  }
  if (givenCount !== undefined && givenCount !== count) {
    throw new RangeError(`ImageGPT.sample: condition has ${givenCount} rows for a count of ${count}`);
  }
  const classes = model.config.condition.type === 'class' ? model.config.condition.classes : undefined;
  if (classes !== undefined && given !== undefined) {
    checkLabels('shape' in given ? await given.data() : given, classes);
  }
  const rows = await forcedRows(model, options.prefixTokens, count);
  return tf.tidy(() => {
    const forced = rows && tf.tensor2d(rows.values, [count, rows.width], 'int32');
    const labels = given === undefined || 'shape' in given ? given : tf.tensor1d([...given], 'int32');
    const prefill: SampleInputs['prefill'] = {};
    if (forced) prefill.tokens = guided ? tf.concat([forced, forced]) : tf.clone(forced);
    if (guided) {
      const none = model.nullCondition(count) as tf.Tensor;
      prefill.condition = tf.concat([labels ?? none, none]);
    } else if (labels) {
      prefill.condition = tf.clone(labels);
    }
    return { count, batch: guided ? 2 * count : count, forced, prefill };
  });
}

function checkLabels(labels: ArrayLike<number>, classes: number): void {
  for (let i = 0; i < labels.length; i++) {
    const label = labels[i] as number;
    if (!Number.isInteger(label) || label < 0 || label > classes) {
      throw new RangeError(
        `ImageGPT.sample: label ${label} at position ${i} is outside [0, ${classes}); ${classes} is the null label`,
      );
    }
  }
}

/** The forced tokens as `count` rows, checked against the vocabulary. */
async function forcedRows(
  model: ImageGPT,
  given: SampleOptions['prefixTokens'],
  count: number,
): Promise<{ values: Int32Array; width: number } | undefined> {
  if (given === undefined) return undefined;
  const rows = 'shape' in given ? await given.array() : given;
  const width = rows[0]?.length ?? 0;
  if (width === 0) return undefined;
  if (width >= model.length || rows.some((row) => row.length !== width)) {
    throw new RangeError(
      `ImageGPT.sample: prefixTokens must be rows of one length below ${model.length}, got lengths ` +
        `${[...new Set(rows.map((row) => row.length))].join(', ')}`,
    );
  }
  if (rows.length !== 1 && rows.length !== count) {
    throw new RangeError(`ImageGPT.sample: prefixTokens must have 1 or ${count} rows, got ${rows.length}`);
  }
  const values = Int32Array.from({ length: count * width }, (_, i) => {
    const row = rows[rows.length === 1 ? 0 : Math.floor(i / width)] as readonly number[];
    return row[i % width] as number;
  });
  checkTokenRange(values, model.config, 'ImageGPT.sample');
  return { values, width };
}

function disposeState({ tokens, cache }: DecodeState): void {
  for (const tensor of [tokens, ...cache.keys, ...cache.values]) tensor.dispose();
}
