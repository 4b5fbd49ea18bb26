/** Layers one after another. */
import { tf } from '@tesserae/tensor';
import type { CallOptions, Layer } from '../layer.ts';
import { Module } from '../module.ts';

/** A layer, or a function such as `tf.relu`. */
export type SequentialPart = Layer | ((x: tf.Tensor) => tf.Tensor);

/**
 * Applies each part to the result of the one before. Parameters are named `layers.0.weight`, `layers.2.weight`, …
 *
 * @example
 * const net = new Sequential([new Linear({ in: 4, out: 8 }), (x) => tf.relu(x), new Linear({ in: 8, out: 1 })]);
 */
export class Sequential extends Module {
  /** The parts in order. */
  readonly layers: readonly SequentialPart[];

  constructor(layers: readonly SequentialPart[]) {
    super();
    this.layers = [...layers];
  }

  /** The result of the last part; `x` itself if there are none. */
  call(x: tf.Tensor, options: CallOptions = {}): tf.Tensor {
    return tf.tidy(() =>
      this.layers.reduce(
        // A function gets no options: `tf.softmax` and others would take them for their own second argument.
        (value, part) => (typeof part === 'function' ? part(value) : part.call(value, options)),
        x,
      ),
    );
  }
}

/** Returns its input: a placeholder where a layer is optional. */
export class Identity extends Module {
  /** `x`. */
  call<T extends tf.Tensor>(x: T): T {
    return x;
  }
}
