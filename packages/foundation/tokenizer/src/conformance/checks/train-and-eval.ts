import type { tf } from '@tesserae/tensor';
import { sound, type Check } from '../check.ts';
import { difference } from '../compare.ts';
import { snapshot, trainingLoss } from '../training.ts';

export const trainAndEval: Check = {
  name: 'train-and-eval',
  promise: 'training changes nothing but the state dict, validation changes nothing, and both see the same tokens',
  async run({ tokenizer, trainable, samples, seed, noisyTraining }) {
    if (!trainable) return { skipped: 'the tokenizer has no loss' };
    const before = snapshot(tokenizer);
    const tokens = tokenizer.encode(samples);

    const validated = trainable.loss(samples);
    for (const [name, values] of Object.entries(tokenizer.stateDict())) {
      const changed = await difference(values, before[name] as tf.Tensor);
      if (changed !== undefined) return { fault: `a loss without training changes '${name}': ${changed}` };
    }
    const validating = validated.tokens && (await difference(validated.tokens, tokens));
    if (validating !== undefined) return { fault: `encode and the loss without training differ: ${validating}` };

    const trained = trainingLoss(trainable, samples, seed);
    const training = !noisyTraining && trained.tokens && (await difference(trained.tokens, tokens));
    if (training) {
      return { fault: `encode and a training step differ in tokens (noisyTraining allows that): ${training}` };
    }
    tokenizer.load(before);
    const left = await difference(tokenizer.encode(samples), tokens);
    return left === undefined
      ? sound
      : { fault: `a training step leaves something behind that is not in the state dict, encode differs: ${left}` };
  },
};
