/**
 * Configuration of `ImageGPT`: what it models, how large it is, and which of the published transformers it follows.
 *
 * There is one transformer with switches. A profile is a preset of them:
 *
 * - `llama`: LlamaGen, "Autoregressive Model Beats Diffusion" (Sun et al. 2024, arXiv 2406.06525). The default.
 * - `mingpt`: "Taming Transformers for High-Resolution Image Synthesis" (Esser et al., CVPR 2021).
 * - `fairseq`: the stages of DiGIT, "Stabilize the Latent Space for Image Autoregressive Modeling" (Zhu et al.,
 *   NeurIPS 2024): post-norm, or pre-norm when the condition is a prefix.
 *
 * Differences: conditions have a table of their own (taming shares rows with the image codes, which only the position
 * embedding can tell apart), and no profile predicts an end symbol, since the length is fixed by the grid.
 */
import { feedForwardHidden } from '@tesserae/nn';

/** Which published transformer the defaults follow. */
export type Profile = 'llama' | 'mingpt' | 'fairseq';

/** The choices in which the profiles differ. Every one can be set by itself. */
export interface Switches {
  /** Normalisation: root mean square (weight only) or layer norm (weight and bias). */
  readonly norm: 'rms' | 'layer';
  /** Whether the norm comes before each branch (`x + f(norm(x))`) or after the sum (`norm(x + f(x))`). */
  readonly placement: 'pre' | 'post';
  /** One more norm before the head. */
  readonly finalNorm: boolean;
  /** Bias on the attention and feed-forward projections. The head never has one. */
  readonly bias: boolean;
  /** `swiglu`: `w2(silu(w1 x) · w3 x)`; `gelu`: `w2(gelu(w1 x))` with the exact erf. */
  readonly feedForward: 'swiglu' | 'gelu';
  /** 2-D rotary angles in every layer, or a learned table added to the input. */
  readonly positions: 'rope2d' | 'learned';
  /** Multiply token embeddings by √dim before the positions are added. */
  readonly scaleEmbeddings: boolean;
  /** Start the head at zero, so that the first loss is exactly ln V. */
  readonly zeroHead: boolean;
}

/** No condition: the sequence starts with one learned vector. */
export interface NoCondition {
  readonly type: 'none';
}

/** One of `classes` labels. Label number `classes` is the null label, which guidance needs. */
export interface ClassCondition {
  readonly type: 'class';
  readonly classes: number;
  /** Probability with which a training sample's label becomes the null label. Default 0.1. */
  readonly dropout?: number;
}

/** A sequence of tokens of another vocabulary, such as the discriminative tokens of DiGIT's second stage. */
export interface PrefixCondition {
  readonly type: 'prefix';
  /** Size of the prefix's vocabulary. */
  readonly vocabulary: number;
  /** Number of prefix tokens. */
  readonly length: number;
}

/** A sequence of feature vectors, such as a text encoder's output. */
export interface FeaturesCondition {
  readonly type: 'features';
  /** Width of a feature vector. */
  readonly dim: number;
  /** Number of vectors. */
  readonly length: number;
  /** Probability with which a training sample's features become the null features. Default 0.1. */
  readonly dropout?: number;
}

/** What the model is conditioned on, by `type`. */
export type Condition = NoCondition | ClassCondition | PrefixCondition | FeaturesCondition;

/** Dropout rates, active in training only. */
export interface DropoutRates {
  /** On the embedded input sequence. */
  readonly token: number;
  /** On the output of every attention and feed-forward branch. Attention probabilities have none. */
  readonly residual: number;
}

/** Configuration of `ImageGPT`. Plain JSON, so it can be stored beside the weights. */
export interface ImageGPTConfig {
  /** Number of different image tokens: the tokenizer's `spec.vocabulary`. */
  readonly vocabulary: number;
  /** Rows and columns of tokens: the tokenizer's `spec.grid`. */
  readonly grid: readonly number[];
  /** Number of transformer blocks. Default 4. */
  readonly layers?: number;
  /** Number of attention heads. Default 6. */
  readonly heads?: number;
  /** Width of the residual stream. Default 192. */
  readonly dim?: number;
  /** Number of key and value heads; must divide `heads`. Default `heads`. */
  readonly kvHeads?: number;
  /** Preset of the switches. Default `llama`. */
  readonly profile?: Profile;
  /** Single switches that differ from the profile. */
  readonly switches?: Partial<Switches>;
  /** Default `{ type: 'none' }`. */
  readonly condition?: Condition;
  /** Default 0.1 for both; with `dropPath` above 0, no residual dropout. */
  readonly dropout?: Partial<DropoutRates>;
  /** Stochastic depth: rate of the last block, growing linearly from 0 at the first. Default 0. */
  readonly dropPath?: number;
  /** Default 1e-5. */
  readonly normEpsilon?: number;
  /** Hidden width of the feed-forward branch. Default 4·dim, or ⌈⌊8·dim/3⌋ / 256⌉·256 for `swiglu`. */
  readonly hidden?: number;
  /** Base of the rotary frequencies. Default 10000. */
  readonly ropeBase?: number;
  /** Multiply queries and keys at condition positions by zero, as LlamaGen's released weights expect. Default false. */
  readonly referenceZeroRope?: boolean;
  /** Use the token table as the head's weight too. Default false. */
  readonly tieEmbeddings?: boolean;
  /** ε of (1−ε)·nll − ε·mean log p in the training loss. Default 0; 0.1 in DiGIT. */
  readonly labelSmoothing?: number;
  /** Probability that an input token is kept in training; otherwise a uniform random one replaces it. Default 1. */
  readonly keepInput?: number;
}

/** A configuration with every default filled in and every value checked. */
export interface ResolvedConfig extends Required<Omit<ImageGPTConfig, 'switches' | 'dropout' | 'grid'>> {
  readonly grid: readonly [number, number];
  readonly switches: Switches;
  readonly dropout: DropoutRates;
}

const profiles: Record<Profile, Switches> = {
  llama: {
    norm: 'rms',
    placement: 'pre',
    finalNorm: true,
    bias: false,
    feedForward: 'swiglu',
    positions: 'rope2d',
    scaleEmbeddings: false,
    zeroHead: true,
  },
  mingpt: {
    norm: 'layer',
    placement: 'pre',
    finalNorm: true,
    bias: true,
    feedForward: 'gelu',
    positions: 'learned',
    scaleEmbeddings: false,
    zeroHead: false,
  },
  fairseq: {
    norm: 'layer',
    placement: 'post',
    finalNorm: false,
    bias: true,
    feedForward: 'gelu',
    positions: 'learned',
    scaleEmbeddings: true,
    zeroHead: false,
  },
};

/** Depth, heads and width of the published models (LlamaGen tables; taming uses L and XXL) and two for tests. */
export const imageGPTSizes: Readonly<Record<string, { layers: number; heads: number; dim: number }>> = {
  tiny: { layers: 4, heads: 4, dim: 128 },
  small: { layers: 6, heads: 6, dim: 192 },
  B: { layers: 12, heads: 12, dim: 768 },
  L: { layers: 24, heads: 16, dim: 1024 },
  XL: { layers: 36, heads: 20, dim: 1280 },
  XXL: { layers: 48, heads: 24, dim: 1536 },
  '3B': { layers: 24, heads: 32, dim: 3200 },
  '7B': { layers: 32, heads: 32, dim: 4096 },
};

function integer(name: string, value: number, least: number): void {
  if (!Number.isSafeInteger(value) || value < least) {
    throw new RangeError(`ImageGPT: ${name} must be an integer of at least ${least}, got ${value}`);
  }
}

function probability(name: string, value: number): void {
  if (!(value >= 0 && value <= 1)) throw new RangeError(`ImageGPT: ${name} must be in [0, 1], got ${value}`);
}

function resolveCondition(condition: Condition): Condition {
  switch (condition.type) {
    case 'none':
      return { type: 'none' };
    case 'class':
      integer('condition.classes', condition.classes, 1);
      probability('condition.dropout', condition.dropout ?? 0.1);
      return { type: 'class', classes: condition.classes, dropout: condition.dropout ?? 0.1 };
    case 'prefix':
      integer('condition.vocabulary', condition.vocabulary, 1);
      integer('condition.length', condition.length, 1);
      return { type: 'prefix', vocabulary: condition.vocabulary, length: condition.length };
    case 'features':
      integer('condition.dim', condition.dim, 1);
      integer('condition.length', condition.length, 1);
      probability('condition.dropout', condition.dropout ?? 0.1);
      return {
        type: 'features',
        dim: condition.dim,
        length: condition.length,
        dropout: condition.dropout ?? 0.1,
      };
    default:
      throw new TypeError(
        `ImageGPT: condition.type must be 'none', 'class', 'prefix' or 'features', got '${String((condition as { type: unknown }).type)}'`,
      );
  }
}

/**
 * Fill in defaults and refuse what cannot be.
 *
 * @throws RangeError naming the member, its value and what is allowed.
 */
export function resolveConfig(config: ImageGPTConfig): ResolvedConfig {
  const profile = config.profile ?? 'llama';
  const preset = profiles[profile] as Switches | undefined;
  if (preset === undefined) {
    throw new RangeError(`ImageGPT: profile must be one of ${Object.keys(profiles).join(', ')}, got '${profile}'`);
  }
  const condition = resolveCondition(config.condition ?? { type: 'none' });
  // DiGIT's second stage, the one with a prefix, is pre-norm with a final norm; the first is post-norm without.
  const stage: Partial<Switches> =
    profile === 'fairseq' && condition.type === 'prefix' ? { placement: 'pre', finalNorm: true } : {};
  const switches: Switches = { ...preset, ...stage, ...config.switches };

  const { layers = 4, heads = 6, dim = 192 } = config;
  const kvHeads = config.kvHeads ?? heads;
  integer('vocabulary', config.vocabulary, 1);
  integer('layers', layers, 1);
  integer('heads', heads, 1);
  integer('dim', dim, 1);
  integer('kvHeads', kvHeads, 1);
  const [rows, columns] = config.grid;
  if (config.grid.length !== 2 || rows === undefined || columns === undefined) {
    throw new RangeError(`ImageGPT: grid must be [rows, columns], got [${config.grid.join(', ')}]`);
  }
  integer('grid[0]', rows, 1);
  integer('grid[1]', columns, 1);
  if (dim % heads !== 0) throw new RangeError(`ImageGPT: dim must be divisible by heads, got ${dim} and ${heads}`);
  if (heads % kvHeads !== 0) {
    throw new RangeError(`ImageGPT: heads must be divisible by kvHeads, got ${heads} and ${kvHeads}`);
  }
  if (switches.positions === 'rope2d' && (dim / heads) % 4 !== 0) {
    throw new RangeError(
      `ImageGPT: 2-D rotary positions need a head width divisible by 4, got ${dim} / ${heads} = ${dim / heads}; ` +
        "change dim or heads, or set switches: { positions: 'learned' }",
    );
  }
  const dropPath = config.dropPath ?? 0;
  const dropout: DropoutRates = { token: 0.1, residual: dropPath > 0 ? 0 : 0.1, ...config.dropout };
  for (const [name, rate] of Object.entries({ ...dropout, dropPath })) {
    if (!(rate >= 0 && rate < 1)) throw new RangeError(`ImageGPT: dropout ${name} must be in [0, 1), got ${rate}`);
  }
  const labelSmoothing = config.labelSmoothing ?? 0;
  const keepInput = config.keepInput ?? 1;
  probability('labelSmoothing', labelSmoothing);
  probability('keepInput', keepInput);
  const multipleOf = switches.feedForward === 'swiglu' ? 256 : 1; // LlamaGen's rounding
  const hidden = config.hidden ?? feedForwardHidden(dim, switches.feedForward, multipleOf);
  integer('hidden', hidden, 1);

  return {
    vocabulary: config.vocabulary,
    grid: [rows, columns],
    layers,
    heads,
    dim,
    kvHeads,
    profile,
    switches,
    condition,
    dropout,
    dropPath,
    normEpsilon: config.normEpsilon ?? 1e-5,
    hidden,
    ropeBase: config.ropeBase ?? 10_000,
    referenceZeroRope: config.referenceZeroRope ?? false,
    tieEmbeddings: config.tieEmbeddings ?? false,
    labelSmoothing,
    keepInput,
  };
}

/** Number of image tokens, N. */
export function imageTokens(config: Pick<ResolvedConfig, 'grid'>): number {
  return config.grid[0] * config.grid[1];
}

/** Number of condition positions in front of the image tokens, T. */
export function conditionLength(condition: Condition): number {
  return condition.type === 'prefix' || condition.type === 'features' ? condition.length : 1;
}
