import { tf } from '@tesserae/tensor';
import { sound, type Check } from '../check.ts';
import { difference } from '../compare.ts';

/** Kernels may add up in another order for another batch size; neighbours that leak change far more than this. */
const ROUNDING = 1e-4;

export const batchNeighbours: Check = {
  name: 'batch-neighbours',
  promise: 'a signal alone, or among others, gives the same tokens and is decoded the same',
  async run({ tokenizer, samples, tolerance }) {
    const one = firstOf(samples);
    const others = tf.concat([one, tf.mul(samples, -0.5)], 0);
    const tokens = tokenizer.encode(samples);
    const alone = tokenizer.encode(one);
    const close = tokenizer.spec.kind === 'discrete' ? 0 : Math.max(tolerance, ROUNDING);
    const encoded =
      (await difference(firstOf(tokens), alone, close)) ??
      (await difference(firstOf(tokenizer.encode(others)), alone, close));
    if (encoded !== undefined) return { fault: `the tokens of a signal depend on the others in its batch: ${encoded}` };
    const decoded = await difference(
      firstOf(tokenizer.decode(tokens)),
      tokenizer.decode(alone),
      Math.max(tolerance, ROUNDING),
    );
    return decoded === undefined
      ? sound
      : { fault: `how tokens are decoded depends on the others in their batch: ${decoded}` };
  },
};

/** `[batch, …]` -> `[1, …]` */
function firstOf(tensor: tf.Tensor): tf.Tensor {
  return tf.slice(tensor, 0, 1);
}
