/** A small regression that learns quickly: for the tests of this package. */
import { Dropout, Linear, Module } from '@tesserae/nn';
import { random, tf } from '@tesserae/tensor';
import type { HostArray, Positioned } from '../batch.ts';
import type { LossResult } from '../train-step.ts';

/** What the toy's loader hands out. */
export type ToyBatch = { readonly x: HostArray; readonly y: HostArray };

/** Two layers with dropout, and a buffer that counts. */
export class Toy extends Module {
  readonly hidden: Linear = new Linear({ in: 3, out: 8 });
  readonly head: Linear = new Linear({ in: 8, out: 1 });
  readonly #dropout: Dropout = new Dropout({ rate: 0.1 });

  /** `[B, 3]` -> `[B, 1]`. */
  call(x: tf.Tensor, training: boolean): tf.Tensor {
    return this.head.call(this.#dropout.call(tf.tanh(this.hidden.call(x)), { training }));
  }

  /** Squared error. */
  loss({ x, y }: { x: tf.Tensor; y: tf.Tensor }, training: boolean): LossResult {
    const error = tf.mean(tf.square(tf.sub(this.call(x, training), y))) as tf.Scalar;
    return { loss: error, terms: { error, double: tf.mul(error, 2) as tf.Scalar } };
  }
}

/** The same weights every time. */
export function createToy(): Toy {
  return tf.tidy(() => ({ toy: random.withKey(random.key(1), () => new Toy()) as never })).toy as Toy;
}

/** Batch i is a function of i; the position can be saved and restored. */
export class ToyLoader implements AsyncIterable<ToyBatch>, Positioned {
  position = 0;

  state(): { position: number } {
    return { position: this.position };
  }

  restore(state: { position: number }): void {
    this.position = state.position;
  }

  async *[Symbol.asyncIterator](): AsyncGenerator<ToyBatch> {
    for (;;) {
      await Promise.resolve();
      const start = 24 * this.position++;
      const x = Float32Array.from({ length: 24 }, (_, i) => Math.sin(1.7 * (start + i)));
      const y = Float32Array.from({ length: 8 }, (_, i) => (x[3 * i] as number) - 0.5 * (x[3 * i + 1] as number));
      yield { x: { data: x, shape: [8, 3] }, y: { data: y, shape: [8, 1] } };
    }
  }
}
