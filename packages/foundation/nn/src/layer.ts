/** What layers have in common: a tensor in, a tensor out, and the options that every `call` understands. */
import type { tf } from '@tesserae/tensor';

/** Options of a layer's `call`. */
export interface CallOptions {
  /** Whether this is a training step: dropout acts, and draws from the ambient key. Default false. */
  readonly training?: boolean;
}

/** Anything that `Sequential` takes: a module with this `call`, or a function. */
export interface Layer {
  /** Applies the layer. */
  call(x: tf.Tensor, options?: CallOptions): tf.Tensor;
}
