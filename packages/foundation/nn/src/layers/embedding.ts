/** A table of vectors, looked up by integer: N(0, 1) at the start, as PyTorch's. */
import { tf } from '@tesserae/tensor';
import { checkWhole, shapeText } from '../check.ts';
import { type Initializer, normal } from '../initializers.ts';
import { Module } from '../module.ts';
import { parameter } from '../parameter.ts';

/** Options of {@link Embedding}. */
export interface EmbeddingConfig {
  /** Number of vectors: ids lie in [0, size). */
  readonly size: number;
  /** Width of a vector. */
  readonly dim: number;
  /** Default `normal(1)`. */
  readonly init?: Initializer;
}

/**
 * Vectors by id. Ids are not checked for range, since values cannot be read inside `compile`: check tokens where they
 * come from.
 */
export class Embedding extends Module {
  /** `[size, dim]`. */
  readonly weight: tf.Variable;

  constructor(config: EmbeddingConfig) {
    super();
    checkWhole('Embedding', 'size', config.size);
    checkWhole('Embedding', 'dim', config.dim);
    this.weight = parameter([config.size, config.dim], config.init ?? normal(1));
  }

  /**
   * int32 `[...]` -> float32 `[..., dim]`.
   *
   * @throws TypeError unless ids are int32.
   */
  call(ids: tf.Tensor): tf.Tensor {
    if (ids.dtype !== 'int32') {
      throw new TypeError(
        `Embedding.call: 'ids' must be int32, got ${ids.dtype} ${shapeText(ids.shape)}. Cast with tf.cast(ids, 'int32').`,
      );
    }
    return tf.tidy(() => {
      const rows = tf.gather(this.weight, tf.reshape(ids, [-1]) as tf.Tensor1D); // [N, dim]
      return tf.reshape(rows, [...ids.shape, this.weight.shape[1] as number]);
    });
  }
}
