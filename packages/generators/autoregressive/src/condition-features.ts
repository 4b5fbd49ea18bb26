/**
 * Feature vectors as a condition, such as the output of a text encoder (LlamaGen's text-conditional models).
 *
 * A two-layer perceptron, Linear–GELU(tanh)–Linear without biases, brings them to the model's width. The null
 * condition is a fixed array drawn from N(0, 1/dim) once and kept with the weights as a buffer.
 */
import { init, Linear, Module, parameter } from '@tesserae/nn';
import { ops, type tf } from '@tesserae/tensor';

/** Embeds `[B, length, featureDim]` as `[B, length, dim]`. */
export class ConditionFeatures extends Module {
  readonly project: Linear;
  readonly output: Linear;
  readonly null: tf.Variable;

  constructor({ featureDim, length, dim }: { featureDim: number; length: number; dim: number }) {
    super();
    this.project = new Linear({ in: featureDim, out: dim, bias: false, init: init.normal(0.02) });
    this.output = new Linear({ in: dim, out: dim, bias: false, init: init.normal(0.02) });
    this.null = parameter([length, featureDim], init.normal(featureDim ** -0.5), { trainable: false });
  }

  /** `[B, length, featureDim]` -> `[B, length, dim]`. */
  call(features: tf.Tensor3D): tf.Tensor3D {
    return this.output.call(ops.gelu(this.project.call(features), 'tanh')) as tf.Tensor3D;
  }
}
