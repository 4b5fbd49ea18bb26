/**
 * A codebook: K code vectors, and the rule by which they change while training.
 *
 * What differs between policies is declared here as methods, so that a quantizer never asks which policy it has:
 * `effective` says whether gradient reaches the codes, `losses` which terms the codebook adds, `observe` what happens
 * after a training step's assignment. One policy, one file beside this one.
 */
import { Module } from '@tesserae/nn';
import { tf } from '@tesserae/tensor';
import type { random } from '@tesserae/tensor';
import { kmeans } from './kmeans.ts';
import { normalise } from './normalise.ts';
import type { CodebookInit } from './policy.ts';

/** What every policy is built from. */
export interface CodebookConfig {
  /** K, number of codes. */
  readonly size: number;
  /** D, width of a code. */
  readonly dim: number;
  /** Codes live on the unit sphere. */
  readonly cosine: boolean;
  /** What the codes are before the first step. */
  readonly init: CodebookInit;
}

/** One training step as a codebook sees it. All without gradient. */
export interface Observation {
  /** float32 `[N, D]`, at unit length in cosine mode. */
  readonly latents: tf.Tensor2D;
  /** int32 `[N]`: the code each latent chose. */
  readonly indices: tf.Tensor1D;
  /** float32 `[N]`, 0 for padding. */
  readonly weights?: tf.Tensor1D | undefined;
}

/** K code vectors and how they change. */
export abstract class Codebook extends Module {
  /** The codes as stored, float32 `[K, D]`. */
  abstract readonly vectors: tf.Variable;

  /** int32 scalar: 1 once k-means has placed the codes. Part of the state dict, so a resumed run does not repeat it. */
  abstract readonly initted: tf.Variable;

  readonly size: number;
  readonly dim: number;
  protected readonly cosine: boolean;
  protected readonly init: CodebookInit;

  constructor(config: CodebookConfig) {
    super();
    this.size = config.size;
    this.dim = config.dim;
    this.cosine = config.cosine;
    this.init = config.init;
  }

  /** The codes as searched and returned, `[K, D]`: at unit length in cosine mode. Carries gradient where codes learn. */
  abstract effective(): tf.Tensor2D;

  /** Terms that the codebook adds to the objective, weighted. Only called while training or validating a loss. */
  abstract losses(
    latents: tf.Tensor2D,
    selected: tf.Tensor2D,
    effective: tf.Tensor2D,
    weights?: tf.Tensor1D,
  ): Record<string, tf.Scalar>;

  /** Follow a training step's assignment. Traceable. Returns figures such as `revived`. */
  abstract observe(observation: Observation): Record<string, tf.Scalar>;

  /** Store k-means' result as this policy's state. */
  protected abstract place(means: tf.Tensor2D, counts: tf.Tensor1D): void;

  /**
   * K-means of these latents, if that is the configured initialisation. Where `initted` is set already nothing
   * changes: the choice is made on the device, without reading the flag.
   *
   * @param latents - float32 `[N, D]`, at unit length in cosine mode.
   */
  initialise(latents: tf.Tensor2D, key: random.Key): void {
    const { init } = this;
    if (init.kind !== 'kmeans') return;
    tf.tidy(() => {
      const { means, counts } = kmeans(latents, {
        clusters: this.size,
        iterations: init.iterations ?? 10,
        cosine: this.cosine,
        key,
      });
      this.place(means, counts);
      this.initted.assign(tf.scalar(1, 'int32'));
    });
  }

  /** `fresh` where k-means has not run yet, the stored value otherwise. */
  protected unlessPlaced<T extends tf.Tensor>(stored: tf.Variable, fresh: T): T {
    return tf.where<tf.Tensor>(this.initted.greater(0), stored, fresh) as T;
  }

  /** Stored vectors brought to where they are searched. */
  protected onSphere(vectors: tf.Tensor2D): tf.Tensor2D {
    return this.cosine ? normalise(vectors) : vectors;
  }
}
