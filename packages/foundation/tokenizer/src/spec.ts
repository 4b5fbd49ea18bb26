/**
 * What a tokenizer's tokens are: the one thing a generator has to know about a tokenizer.
 *
 * Generators ask the `spec`, never the class: an autoregressive model takes any `discrete` tokenizer, a diffusion
 * model any `continuous` one, whatever package it comes from.
 */
import { isTracing, type tf } from '@tesserae/tensor';

/** The kind of data a tokenizer reads and writes. */
export type SignalKind = 'image' | 'text' | 'video' | 'field' | 'series';

interface SpecBase {
  /** What is tokenized. */
  readonly signal: SignalKind;
  /** Shape of one signal without the batch axis, channels last: `[height, width, channels]` for an image. */
  readonly shape: readonly number[];
  /** Shape of one signal's tokens without the batch axis: `[rows, columns]` for an image, in raster order. */
  readonly grid: readonly number[];
}

/** Tokens that are indices: int32 `[batch, ...grid]`, each in `[0, vocabulary)`. */
export interface DiscreteTokenSpec extends SpecBase {
  readonly kind: 'discrete';
  /** Number of different tokens. */
  readonly vocabulary: number;
}

/** Tokens that are vectors: float32 `[batch, ...grid, dim]`. */
export interface ContinuousTokenSpec extends SpecBase {
  readonly kind: 'continuous';
  /** Length of each token vector. */
  readonly dim: number;
}

/** What a tokenizer's tokens are and what they stand for. Discriminated by `kind`. */
export type TokenSpec = DiscreteTokenSpec | ContinuousTokenSpec;

/** Number of tokens of one signal: the product of the grid. */
export function tokenCount(spec: TokenSpec): number {
  return spec.grid.reduce((product, side) => product * side, 1);
}

/** Shape of a batch of tokens: `[batch, ...grid]`, and the vector axis where tokens are continuous. */
export function tokensShape(spec: TokenSpec, batch: number): number[] {
  return spec.kind === 'discrete' ? [batch, ...spec.grid] : [batch, ...spec.grid, spec.dim];
}

/** One line for a person: `discrete 8×8 tokens of 512 for image 32×32×3`. */
export function describeSpec(spec: TokenSpec): string {
  const range = spec.kind === 'discrete' ? `of ${spec.vocabulary}` : `of width ${spec.dim}`;
  return `${spec.kind} ${spec.grid.join('×')} tokens ${range} for ${spec.signal} ${spec.shape.join('×')}`;
}

/**
 * Refuse a spec that cannot be: sides that are not positive integers, an empty vocabulary.
 *
 * @throws RangeError naming the member, its value and what is allowed.
 */
export function validateSpec(spec: TokenSpec): void {
  const positive = (name: string, value: number): void => {
    if (!Number.isSafeInteger(value) || value < 1) {
      throw new RangeError(`TokenSpec.${name} must be a positive integer, got ${value}`);
    }
  };
  spec.shape.forEach((side, axis) => positive(`shape[${axis}]`, side));
  if (spec.grid.length === 0) {
    throw new RangeError('TokenSpec.grid is empty: a signal needs at least one token, for example [1]');
  }
  spec.grid.forEach((side, axis) => positive(`grid[${axis}]`, side));
  if (spec.kind === 'discrete') positive('vocabulary', spec.vocabulary);
  else positive('dim', spec.dim);
}

/**
 * Check dtype, rank and grid of a batch of tokens. Looks at no value, so it may run inside `compile`.
 *
 * @param operation - Who asks, for the message: `VQVAE.decode`.
 * @throws TypeError on the wrong dtype, RangeError on the wrong shape.
 */
export function checkTokens(tokens: tf.Tensor, spec: TokenSpec, operation: string): void {
  const dtype = spec.kind === 'discrete' ? 'int32' : 'float32';
  if (tokens.dtype !== dtype) {
    throw new TypeError(
      `${operation}: tokens must be ${dtype} (${spec.kind} tokens), got ${tokens.dtype}` +
        (dtype === 'int32' ? '; convert with tokens.toInt() if they hold whole numbers' : ''),
    );
  }
  const expected = tokensShape(spec, tokens.shape[0] ?? 0);
  if (tokens.shape.length !== expected.length || expected.some((side, axis) => side !== tokens.shape[axis])) {
    throw new RangeError(
      `${operation}: tokens must have shape [batch, ${expected.slice(1).join(', ')}], got [${tokens.shape.join(', ')}]`,
    );
  }
}

/**
 * Check that every token id is in `[0, vocabulary)`. Works on values that were read, so it stays out of `compile`.
 *
 * @throws RangeError naming the first offender, its position and the vocabulary.
 */
export function checkTokenRange(
  values: ArrayLike<number>,
  spec: Pick<DiscreteTokenSpec, 'vocabulary'>,
  operation: string,
): void {
  for (let i = 0; i < values.length; i++) {
    const value = values[i] as number;
    if (!(value >= 0 && value < spec.vocabulary)) {
      throw new RangeError(
        `${operation}: token ${value} at position ${i} is outside [0, ${spec.vocabulary}); ` +
          'were these tokens made with another tokenizer?',
      );
    }
  }
}

/**
 * `checkTokenRange` for a tensor: reads it, except inside `compile`, where there are no values yet.
 *
 * @throws RangeError naming the first id outside the vocabulary. Continuous tokens have no range and pass.
 */
export function checkTokenValues(tokens: tf.Tensor, spec: TokenSpec, operation: string): void {
  if (spec.kind === 'discrete' && !isTracing()) checkTokenRange(tokens.dataSync(), spec, operation);
}
