import { sound, type Check } from '../check.ts';
import { difference } from '../compare.ts';

export const roundTrip: Check = {
  name: 'round-trip',
  promise: 'decode(encode(x)) is the reconstruction that the loss was computed from',
  async run({ tokenizer, trainable, samples, tolerance }) {
    if (!trainable) return { skipped: 'the tokenizer has no loss, so there is no reconstruction to compare with' };
    const { reconstruction } = trainable.loss(samples);
    const differs = await difference(tokenizer.decode(tokenizer.encode(samples)), reconstruction, tolerance);
    return differs === undefined ? sound : { fault: `decoded and reconstructed differ: ${differs}` };
  },
};
