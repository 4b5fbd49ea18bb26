/**
 * `ImageGPT`: a causal transformer over the tokens of an image in raster order.
 *
 * - one transformer with switches; LlamaGen (arXiv 2406.06525, default), taming transformers and DiGIT as presets
 * - unconditional, per class, after a prefix of other tokens, or after feature vectors
 * - 2-D rotary positions, grouped key and value heads, untied or tied head
 * - label dropout for classifier-free guidance, label smoothing, input corruption, drop-path
 * - cached decoding with static shapes, so that sampling is one compiled program called N times
 *
 * The sequence is T condition positions and then the image's tokens; the outputs at positions T−1 … T+N−2 predict its N
 * tokens. The last token is never an input. Everything but `sample` is traceable: it reads no values.
 */
import {
  type CacheHook,
  Dropout,
  Embedding,
  init,
  LayerNorm,
  Linear,
  Module,
  parameter,
  RMSNorm,
  type TransformerBlock,
} from '@tesserae/nn';
import { random, tf } from '@tesserae/tensor';
import { createBlock } from './block.ts';
import { checkCondition, checkTokenDtype, checkTokens, flattenTokens } from './check-input.ts';
import { ConditionFeatures } from './condition-features.ts';
import { conditionLength, imageTokens, type ImageGPTConfig, type ResolvedConfig, resolveConfig } from './config.ts';
import { type DecodeCache, padCache, recordCache, writeCache } from './decode-cache.ts';
import { type SampleOptions, Sampler } from './sampler.ts';
import { SequenceRotary } from './sequence-rotary.ts';
import { tokenLoss } from './token-loss.ts';

/** Options of a forward pass. */
export interface ForwardOptions {
  /**
   * `class`: int32 labels `[B]`; `prefix`: int32 tokens `[B, length]`; `features`: float32 `[B, length, dim]`. Without
   * it, the null condition. A model of type `none` takes none.
   */
  readonly condition?: tf.Tensor | undefined;
  /** Dropout, label dropout and input corruption, drawn from the ambient key. Default false. */
  readonly training?: boolean;
}

/** Options of `ImageGPT.loss`. */
export interface LossOptions extends ForwardOptions {
  /** Weight of each sample, float32 `[B]`: 0 leaves a padded or invalid sample out. Default all 1. */
  readonly weights?: tf.Tensor1D;
}

/** What `ImageGPT.loss` returns: what `fit` minimises and what it logs. */
export interface PriorLoss {
  readonly loss: tf.Scalar;
  /** `nats`: mean negative log-likelihood of a token, without label smoothing. */
  readonly terms: { readonly nats: tf.Scalar };
}

/** Logits of the next token, and the cache with what was fed. */
export type DecodeResult = {
  /** `[B, V]`. */
  logits: tf.Tensor2D;
  cache: DecodeCache;
};

/**
 * The model. Construct inside `random.withKey`: initialisers draw from the ambient key.
 *
 * @throws RangeError when the configuration cannot be; see `ImageGPTConfig`.
 */
export class ImageGPT extends Module {
  /** The configuration with every default filled in. */
  readonly config: ResolvedConfig;
  readonly tokens: Embedding;
  readonly condition: Embedding | ConditionFeatures | undefined;
  readonly conditionPositions: tf.Variable | undefined;
  readonly positions: tf.Variable | undefined;
  readonly blocks: TransformerBlock[];
  readonly norm: LayerNorm | RMSNorm | undefined;
  readonly head: Linear | undefined;

  readonly #inputDropout: Dropout;
  readonly #rotary: SequenceRotary | undefined;
  #sampler: Sampler | undefined;

  constructor(config: ImageGPTConfig) {
    super();
    const resolved = resolveConfig(config);
    const { vocabulary, dim, condition, switches, profile } = resolved;
    this.config = resolved;
    const table = init.normal(profile === 'fairseq' ? dim ** -0.5 : 0.02);
    const prefixVocabulary = condition.type === 'prefix' ? condition.vocabulary : 0;
    this.tokens = new Embedding({ size: vocabulary + prefixVocabulary, dim, init: table });
    if (condition.type === 'none') this.condition = new Embedding({ size: 1, dim, init: table });
    if (condition.type === 'class') this.condition = new Embedding({ size: condition.classes + 1, dim, init: table });
    if (condition.type === 'features') {
      this.condition = new ConditionFeatures({ featureDim: condition.dim, length: condition.length, dim });
    }
    const learned = switches.positions === 'learned';
    const positionInit = profile === 'fairseq' ? table : init.zeros();
    if (learned || condition.type === 'prefix') {
      this.conditionPositions = parameter([conditionLength(condition), dim], positionInit);
    }
    if (learned) this.positions = parameter([imageTokens(resolved), dim], positionInit);
    this.blocks = Array.from({ length: resolved.layers }, (_, layer) => createBlock(resolved, layer));
    if (switches.finalNorm) {
      const norm = { dim, epsilon: resolved.normEpsilon };
      this.norm = switches.norm === 'rms' ? new RMSNorm(norm) : new LayerNorm(norm);
    }
    if (!resolved.tieEmbeddings) {
      const headInit = switches.zeroHead ? init.zeros() : table;
      this.head = new Linear({ in: dim, out: vocabulary, bias: false, init: headInit });
    }
    this.#inputDropout = new Dropout({ rate: resolved.dropout.token });
    this.#rotary = learned ? undefined : new SequenceRotary(resolved);
  }

  /** Number of tokens of an image, N. */
  get length(): number {
    return imageTokens(this.config);
  }

  /** Number of condition positions, T. */
  get conditionLength(): number {
    return conditionLength(this.config.condition);
  }

  /**
   * Logits of every token given those before it.
   *
   * @param tokens - int32 `[B, n]` with 1 ≤ n < N: the first n tokens of each image.
   * @returns `[B, n + 1, V]`: entry i is the prediction of token i.
   */
  logits(tokens: tf.Tensor, options: ForwardOptions = {}): tf.Tensor3D {
    checkTokens(tokens, this.config, 'ImageGPT.logits');
    const n = tokens.shape[1] ?? 0;
    if (tokens.shape.length !== 2 || n < 1 || n >= this.length) {
      throw new RangeError(
        `ImageGPT.logits: tokens must be [batch, n] with 1 ≤ n < ${this.length}, got [${tokens.shape.join(', ')}]`,
      );
    }
    return tf.tidy(() => this.#project(this.#forward(tokens as tf.Tensor2D, options)));
  }

  /**
   * Mean negative log-likelihood of a token in nats, label-smoothed if the configuration says so. Nothing is asked of
   * the condition positions.
   *
   * @param tokens - int32 `[B, N]` or `[B, rows, columns]`.
   */
  loss(tokens: tf.Tensor, options: LossOptions = {}): PriorLoss {
    const { training = false, weights } = options;
    return tf.tidy(() => {
      const targets = flattenTokens(tokens, this.config, 'ImageGPT.loss');
      const features = this.#predict(targets, options);
      const nll = tokenLoss(features, this.#headWeight(), targets); // [B, N]
      const average = (perToken: tf.Tensor2D): tf.Scalar => {
        const perSample = tf.mean(perToken, 1); // [B]
        if (weights === undefined) return tf.mean(perSample);
        return tf.div(tf.sum(tf.mul(perSample, weights)), tf.maximum(tf.sum(weights), 1e-8));
      };
      const nats = average(nll);
      const smoothing = training ? this.config.labelSmoothing : 0;
      if (smoothing === 0) return { loss: nats, terms: { nats } };
      const logits = this.#project(features);
      const uniform = tf.sub(tf.logSumExp(logits, -1), tf.mean(logits, -1)) as tf.Tensor2D; // −mean log p, [B, N]
      const loss = tf.add(tf.mul(nats, 1 - smoothing), tf.mul(average(uniform), smoothing)) as tf.Scalar;
      return { loss, terms: { nats } };
    });
  }

  /**
   * −log p(image | condition) in nats, summed over its N tokens; divide by N for nats per token.
   *
   * @param tokens - int32 `[B, N]` or `[B, rows, columns]`.
   * @returns `[B]`.
   */
  nll(tokens: tf.Tensor, options: Omit<ForwardOptions, 'training'> = {}): tf.Tensor1D {
    return tf.tidy(() => {
      const targets = flattenTokens(tokens, this.config, 'ImageGPT.nll');
      const features = this.#predict(targets, { ...options, training: false });
      return tf.sum(tokenLoss(features, this.#headWeight(), targets), 1) as tf.Tensor1D;
    });
  }

  /** An empty cache for `batch` sequences: zeros of `[batch, kvHeads, T + N − 1, headDim]` per layer. */
  createCache(batch: number): DecodeCache {
    const { layers, heads, kvHeads, dim } = this.config;
    const shape: [number, number, number, number] = [batch, kvHeads, this.#slots, dim / heads];
    const zeros = (): tf.Tensor4D[] => Array.from({ length: layers }, () => tf.zeros(shape));
    return { keys: zeros(), values: zeros() };
  }

  /**
   * Feed the condition, and the first tokens of the image where they are given, in one pass.
   *
   * @param batch - Number of sequences.
   * @param tokens - int32 `[B, n]`, n < N, or nothing.
   * @returns Logits of token n (0 without `tokens`), and the cache.
   */
  prefill(batch: number, tokens?: tf.Tensor2D, condition?: tf.Tensor): DecodeResult {
    if (tokens !== undefined) checkTokens(tokens, this.config, 'ImageGPT.prefill');
    return tf.tidy(() => {
      const input = this.#embedSequence(batch, tokens, { condition });
      const { result, cache } = recordCache((record) =>
        this.#transform(input, false, (key, value) => {
          record(padCache(key, this.#slots), padCache(value, this.#slots));
          return { key, value };
        }),
      );
      const last = tf.slice(result, [0, input.shape[1] - 1, 0], [batch, 1, this.config.dim]);
      return { logits: this.#lastLogits(last), cache };
    });
  }

  /**
   * Feed one token of each sequence and predict the next. Shapes do not depend on the position, so a compiled step
   * serves all of them.
   *
   * @param tokens - int32 `[B]`: token number `position − 1` of each image.
   * @param position - int32 scalar in [1, N): number of the token to predict.
   * @param cache - From `prefill` or the step before; one that is cut after the row to be written will do. It is not changed and stays the caller's to dispose.
   */
  step(tokens: tf.Tensor1D, position: tf.Scalar, cache: DecodeCache): DecodeResult {
    checkTokenDtype(tokens, 'ImageGPT.step');
    return tf.tidy(() => {
      const [batch] = tokens.shape;
      const before = tf.sub(position, tf.scalar(1, 'int32')) as tf.Scalar; // the image position of the input
      const index = tf.add(before, tf.scalar(this.conditionLength, 'int32')) as tf.Scalar; // … in the sequence
      let x = this.#embedTokens(tf.reshape(tokens, [batch, 1]));
      if (this.positions) x = tf.add(x, tf.gather(this.positions as tf.Tensor2D, tf.reshape(before, [1])));
      const slots = (cache.keys[0] as tf.Tensor4D).shape[2];
      const seen = tf.lessEqual(tf.range(0, slots, 1, 'int32'), index);
      const context = { mask: tf.reshape(seen, [1, slots]), rotary: this.#rotary?.at(index) };
      const { result, cache: next } = recordCache((record) => {
        for (const [layer, block] of this.blocks.entries()) {
          const hook: CacheHook = (newKey, newValue) => {
            const key = writeCache(cache.keys[layer] as tf.Tensor4D, newKey, index);
            const value = writeCache(cache.values[layer] as tf.Tensor4D, newValue, index);
            record(key, value);
            return { key, value };
          };
          x = block.call(x, { ...context, cache: hook });
        }
        return this.#normalize(x);
      });
      return { logits: this.#lastLogits(result), cache: next };
    });
  }

  /** Null conditions for guidance, or undefined where the model has no condition. */
  nullCondition(batch: number): tf.Tensor | undefined {
    const { condition } = this.config;
    switch (condition.type) {
      case 'none':
        return undefined;
      case 'class':
        return tf.fill([batch], condition.classes, 'int32');
      case 'features':
        return tf.tile(tf.expandDims((this.condition as ConditionFeatures).null, 0), [batch, 1, 1]);
      case 'prefix':
        throw new TypeError('ImageGPT: a prefix has no null condition; leave cfgScale at 1');
    }
  }

  /**
   * Draw images' tokens. See `SampleOptions`; the same seed gives the same tokens.
   *
   * @returns int32 `[count, N]`, the caller's to dispose.
   */
  sample(options: SampleOptions): Promise<tf.Tensor2D> {
    this.#sampler ??= new Sampler(this);
    return this.#sampler.sample(options);
  }

  override dispose(): void {
    this.#sampler?.dispose();
    this.#sampler = undefined;
    super.dispose();
  }

  /** Number of positions a cache holds: the last token is never fed. */
  get #slots(): number {
    return this.conditionLength + this.length - 1;
  }

  /** `[B, n]` -> `[B, n + 1, dim]`: what the head gets. */
  #forward(tokens: tf.Tensor2D, options: ForwardOptions): tf.Tensor3D {
    const [batch, n] = tokens.shape;
    const input = this.#embedSequence(batch, tokens, options);
    const output = this.#transform(input, options.training ?? false);
    return tf.slice(output, [0, this.conditionLength - 1, 0], [batch, n + 1, this.config.dim]);
  }

  /** `[B, N]` -> `[B, N, dim]`: what the head gets to predict every token of whole images. */
  #predict(targets: tf.Tensor2D, options: ForwardOptions): tf.Tensor3D {
    const [batch] = targets.shape;
    const inputs = tf.slice(targets, [0, 0], [batch, this.length - 1]);
    return this.#forward(options.training ? this.#corrupt(inputs) : inputs, options);
  }

  /** taming's `pkeep`: uniform random tokens in place of some inputs; targets stay clean. */
  #corrupt(tokens: tf.Tensor2D): tf.Tensor2D {
    const { keepInput, vocabulary } = this.config;
    if (keepInput === 1) return tokens;
    const keep = random.bernoulli(random.next(), keepInput, tokens.shape);
    const noise = random.randint(random.next(), tokens.shape, { min: 0, max: vocabulary });
    return tf.where(keep, tokens, noise) as tf.Tensor2D;
  }

  /** `[B, T + n, dim]`: the condition, then the tokens, with positions and dropout. */
  #embedSequence(batch: number, tokens: tf.Tensor2D | undefined, options: ForwardOptions): tf.Tensor3D {
    const training = options.training ?? false;
    let sequence = this.#embedCondition(batch, options.condition, training);
    if (this.conditionPositions) sequence = tf.add(sequence, this.conditionPositions);
    if (tokens !== undefined && tokens.shape[1] > 0) {
      let x = this.#embedTokens(tokens);
      if (this.positions) x = tf.add(x, tf.slice(this.positions as tf.Tensor2D, 0, tokens.shape[1]));
      sequence = tf.concat([sequence, x], 1);
    }
    return this.#inputDropout.call(sequence, { training }) as tf.Tensor3D;
  }

  /** `[B, n]` -> `[B, n, dim]`. */
  #embedTokens(tokens: tf.Tensor2D): tf.Tensor3D {
    const x = this.tokens.call(tokens) as tf.Tensor3D;
    return this.config.switches.scaleEmbeddings ? tf.mul(x, Math.sqrt(this.config.dim)) : x;
  }

  /** `[B, T, dim]`. */
  #embedCondition(batch: number, given: tf.Tensor | undefined, training: boolean): tf.Tensor3D {
    const { condition, vocabulary, switches, dim } = this.config;
    checkCondition(this.config, batch, given);
    if (condition.type === 'prefix') {
      // One table for both vocabularies: the image's tokens first, the prefix's behind them.
      return this.#embedTokens(tf.add(given as tf.Tensor2D, tf.scalar(vocabulary, 'int32')));
    }
    const rate = training && condition.type !== 'none' ? (condition.dropout ?? 0) : 0;
    if (condition.type === 'features') {
      const embed = this.condition as ConditionFeatures;
      const features = given ?? tf.broadcastTo(embed.null, [batch, condition.length, condition.dim]);
      if (rate === 0) return embed.call(features as tf.Tensor3D);
      const drop = random.bernoulli(random.next(), rate, [batch, 1, 1]);
      return embed.call(tf.where(drop, embed.null, features) as tf.Tensor3D);
    }
    const nullLabel = condition.type === 'class' ? condition.classes : 0;
    let labels = (given ?? tf.fill([batch], nullLabel, 'int32')) as tf.Tensor1D;
    if (rate > 0) {
      const drop = random.bernoulli(random.next(), rate, [batch]);
      labels = tf.where(drop, tf.fill([batch], nullLabel, 'int32'), labels);
    }
    const x = (this.condition as Embedding).call(tf.reshape(labels, [batch, 1])) as tf.Tensor3D;
    return switches.scaleEmbeddings ? tf.mul(x, Math.sqrt(dim)) : x;
  }

  /** All blocks and the final norm over whole sequences that start at position 0. */
  #transform(input: tf.Tensor3D, training: boolean, cache?: CacheHook): tf.Tensor3D {
    const rotary = this.#rotary?.first(input.shape[1]);
    let x = input;
    for (const block of this.blocks) x = block.call(x, { training, causal: true, rotary, cache });
    return this.#normalize(x);
  }

  #normalize(x: tf.Tensor3D): tf.Tensor3D {
    return this.norm ? (this.norm.call(x) as tf.Tensor3D) : x;
  }

  /** `[B, n, dim]` -> `[B, n, V]`. */
  #project(x: tf.Tensor3D): tf.Tensor3D {
    if (this.head) return this.head.call(x) as tf.Tensor3D;
    const { vocabulary, dim } = this.config;
    const [batch, n] = x.shape;
    return tf.reshape(tf.matMul(tf.reshape(x, [batch * n, dim]), this.#headWeight()), [batch, n, vocabulary]);
  }

  /** `[dim, V]`. */
  #headWeight(): tf.Tensor2D {
    if (this.head) return this.head.weight as tf.Tensor2D;
    const table = tf.slice(this.tokens.weight as tf.Tensor2D, 0, this.config.vocabulary); // without a prefix's rows
    return tf.transpose(table);
  }

  /** `[B, 1, dim]` -> `[B, V]`. */
  #lastLogits(x: tf.Tensor3D): tf.Tensor2D {
    return tf.reshape(this.#project(x), [x.shape[0], this.config.vocabulary]);
  }
}
