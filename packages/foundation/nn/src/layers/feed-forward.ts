/**
 * The position-wise network of a transformer block.
 *
 * `gelu`: down(gelu(up x)) with the exact erf form. `swiglu` (Shazeer 2020, arXiv 2002.05202): down(silu(gate x) · up x),
 * by default with ⅔ of the hidden width so that the number of parameters stays.
 */
import { ops, tf } from '@tesserae/tensor';
import { checkLastAxis, checkWhole } from '../check.ts';
import type { Initializer } from '../initializers.ts';
import type { CallOptions } from '../layer.ts';
import { Module } from '../module.ts';
import { Dropout } from './dropout.ts';
import { Linear } from './linear.ts';

/** The nonlinearity. */
export type FeedForwardKind = 'gelu' | 'gelu-tanh' | 'silu' | 'relu' | 'swiglu';

/** Options of {@link FeedForward}. */
export interface FeedForwardConfig {
  /** Width of input and output. */
  readonly dim: number;
  /** Hidden width. Default `feedForwardHidden(…)`: 4 dim, or ⌊8 dim / 3⌋ for swiglu, rounded up to `multipleOf`. */
  readonly hidden?: number;
  /** Default hidden widths are rounded up to a multiple of this; LlamaGen's is 256. Default 1. */
  readonly multipleOf?: number;
  /** Default `gelu`. */
  readonly kind?: FeedForwardKind;
  /** Biases of all projections. Default true. */
  readonly bias?: boolean;
  /** Dropout of the result, in training. Default 0. */
  readonly dropout?: number;
  /** Of the weights; biases are zeros then. Default as `Linear`'s. */
  readonly init?: Initializer;
  /** Of the last projection's weight. Default `init`. */
  readonly outputInit?: Initializer;
}

/** The default hidden width: ⌈w / multipleOf⌉ · multipleOf with w = 4 dim, or ⌊8 dim / 3⌋ for swiglu. */
export function feedForwardHidden(dim: number, kind: FeedForwardKind = 'gelu', multipleOf = 1): number {
  const width = kind === 'swiglu' ? Math.floor((8 * dim) / 3) : 4 * dim;
  return Math.ceil(width / multipleOf) * multipleOf;
}

/** Two or three linear maps with a nonlinearity, over the last axis. */
export class FeedForward extends Module {
  /** `[dim, hidden]`. */
  readonly up: Linear;
  /** `[dim, hidden]`, for swiglu. */
  readonly gate: Linear | undefined;
  /** `[hidden, dim]`. */
  readonly down: Linear;
  readonly #kind: FeedForwardKind;
  readonly #dim: number;
  readonly #dropout: Dropout;

  constructor(config: FeedForwardConfig) {
    super();
    const { dim, kind = 'gelu', multipleOf = 1, bias = true, dropout = 0, init } = config;
    checkWhole('FeedForward', 'dim', dim);
    checkWhole('FeedForward', 'multipleOf', multipleOf);
    if (!['gelu', 'gelu-tanh', 'silu', 'relu', 'swiglu'].includes(kind)) {
      throw new RangeError(`FeedForward: 'kind' must be gelu, gelu-tanh, silu, relu or swiglu, got ${kind}.`);
    }
    const hidden = config.hidden ?? feedForwardHidden(dim, kind, multipleOf);
    checkWhole('FeedForward', 'hidden', hidden);
    const shared = { bias, ...(init && { init }) };
    const outputInit = config.outputInit ?? init;
    this.up = new Linear({ in: dim, out: hidden, ...shared });
    this.gate = kind === 'swiglu' ? new Linear({ in: dim, out: hidden, ...shared }) : undefined;
    this.down = new Linear({ in: hidden, out: dim, bias, ...(outputInit && { init: outputInit }) });
    this.#kind = kind;
    this.#dim = dim;
    this.#dropout = new Dropout({ rate: dropout });
  }

  /** `[..., dim]` -> `[..., dim]`. */
  call<T extends tf.Tensor>(x: T, options: CallOptions = {}): T {
    checkLastAxis('FeedForward.call', x, this.#dim);
    return tf.tidy(() => this.#dropout.call(this.down.call(this.#activate(x)), options));
  }

  #activate<T extends tf.Tensor>(x: T): T {
    const hidden = this.up.call(x);
    if (this.gate) return tf.mul(ops.silu(this.gate.call(x)), hidden) as T;
    if (this.#kind === 'relu') return tf.relu(hidden) as T;
    if (this.#kind === 'silu') return ops.silu(hidden);
    return ops.gelu(hidden, this.#kind === 'gelu' ? 'none' : 'tanh');
  }
}
