import { tf } from '@tesserae/tensor';
import { sound, type Check } from '../check.ts';
import { difference } from '../compare.ts';
import { snapshot, trainingLoss } from '../training.ts';

export const staleCodes: Check = {
  name: 'stale-codes',
  promise: 'after a training step, and after loading other values, encode and decode use the codes of now',
  async run({ tokenizer, trainable, samples, seed, tolerance }) {
    if (!trainable) return { skipped: 'the tokenizer has no loss, so its codes do not change' };
    const exact = async (when: string): Promise<string | undefined> => {
      const { reconstruction } = trainable.loss(samples);
      const differs = await difference(tokenizer.decode(tokenizer.encode(samples)), reconstruction, tolerance);
      return differs && `${when}, decoded and reconstructed differ: ${differs}`;
    };
    // Anything kept from an earlier call would be kept from this one.
    tokenizer.decode(tokenizer.encode(samples));
    trainingLoss(trainable, samples, seed);
    const trained = await exact('after a training step');
    if (trained !== undefined) return { fault: trained };
    const moved = Object.entries(snapshot(tokenizer)).map(([name, values]) => [
      name,
      values.dtype === 'float32' ? tf.add(tf.mul(values, 1.25), 0.01) : values,
    ]);
    tokenizer.load(Object.fromEntries(moved) as Record<string, tf.Tensor>);
    const loaded = await exact('after load');
    return loaded === undefined ? sound : { fault: loaded };
  },
};
