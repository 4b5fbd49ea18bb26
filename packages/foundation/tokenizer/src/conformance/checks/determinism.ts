import type { tf } from '@tesserae/tensor';
import { sound, type Check, type Finding } from '../check.ts';
import { difference } from '../compare.ts';
import { build, snapshot, trainingLoss } from '../training.ts';

export const determinism: Check = {
  name: 'determinism',
  promise: 'the same key gives the same initial state and the same training step; encode gives the same tokens twice',
  async run({ tokenizer, trainable, factory, config, samples, seed }): Promise<Finding> {
    const twice = await difference(tokenizer.encode(samples), tokenizer.encode(samples));
    if (twice !== undefined) return { fault: `encoding the same signals twice differs: ${twice}` };

    if (trainable) {
      const start = snapshot(tokenizer);
      const first = trainingLoss(trainable, samples, seed);
      const after = snapshot(tokenizer);
      tokenizer.load(start);
      const second = trainingLoss(trainable, samples, seed);
      const loss = await difference(first.loss, second.loss);
      if (loss !== undefined) return { fault: `the same training step twice gives another loss: ${loss}` };
      const state = await stateDifference(after, tokenizer.stateDict());
      if (state !== undefined) return { fault: `the same training step twice leaves another ${state}` };
    }

    if (!factory) return sound;
    using one = build(factory, config, seed);
    using same = build(factory, config, seed);
    using other = build(factory, config, seed + 1);
    const differs = await stateDifference(one.stateDict(), same.stateDict());
    if (differs !== undefined) return { fault: `built twice under one key, initial values differ in ${differs}` };
    if (one.parameterCount > 0 && (await stateDifference(one.stateDict(), other.stateDict())) === undefined) {
      return { fault: 'built under two keys, all initial values are the same: they do not come from the ambient key' };
    }
    return sound;
  },
};

/** The first entry that differs, and how. */
async function stateDifference(
  a: Readonly<Record<string, tf.Tensor>>,
  b: Readonly<Record<string, tf.Tensor>>,
): Promise<string | undefined> {
  for (const [name, values] of Object.entries(a)) {
    const other = b[name];
    const found = other ? await difference(values, other) : 'it is missing';
    if (found !== undefined) return `'${name}': ${found}`;
  }
  return undefined;
}
