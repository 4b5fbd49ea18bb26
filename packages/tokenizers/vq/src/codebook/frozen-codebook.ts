/** A codebook that stays as it was initialised: random-projection targets (BEST-RQ), or codes loaded from elsewhere. */
import { ops, tf } from '@tesserae/tensor';
import { Codebook } from './codebook.ts';
import type { CodebookConfig } from './codebook.ts';
import { initialCodes } from './initial-codes.ts';
import { state } from './state.ts';

/** Codes never change after initialisation. */
export class FrozenCodebook extends Codebook {
  override readonly vectors: tf.Variable;
  override readonly initted: tf.Variable;

  constructor(config: CodebookConfig) {
    super(config);
    this.vectors = state(() => initialCodes(config));
    this.initted = state(() => tf.scalar(0, 'int32'));
  }

  override effective(): tf.Tensor2D {
    return this.onSphere(ops.stopGradient(this.vectors) as tf.Tensor2D);
  }

  override losses(): Record<string, tf.Scalar> {
    return {};
  }

  override observe(): Record<string, tf.Scalar> {
    return {};
  }

  protected override place(means: tf.Tensor2D): void {
    this.vectors.assign(this.unlessPlaced(this.vectors, means));
  }
}
