/** Buffers of a codebook, without leaving their initial tensors behind. */
import { buffer } from '@tesserae/nn';
import { tf } from '@tesserae/tensor';

/** A variable that is saved but not trained, starting at what `make` returns. */
export function state(make: () => tf.Tensor): tf.Variable {
  return tf.tidy(() => buffer(make()));
}
