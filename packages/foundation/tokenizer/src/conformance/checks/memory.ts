import { random, tf, tree } from '@tesserae/tensor';
import { sound, type Check } from '../check.ts';
import { build, trainingLoss } from '../training.ts';

export const memory: Check = {
  name: 'memory',
  promise: 'encode, decode, loss and prepare leave no tensors behind but their results, and dispose frees everything',
  run({ tokenizer, trainable, factory, config, samples, seed }) {
    const tokens = tokenizer.encode(samples);
    using key = random.key(seed);
    const work: [string, () => void][] = [
      ['encode', () => tokenizer.encode(samples).dispose()],
      ['decode', () => tokenizer.decode(tokens).dispose()],
    ];
    if (trainable) {
      work.push(
        ['loss', () => tree.dispose({ ...trainable.loss(samples) })],
        ['loss in training', () => tree.dispose({ ...trainingLoss(trainable, samples, seed) })],
      );
      if (trainable.prepare) work.push(['prepare', () => trainable.prepare?.(samples, key)]);
    }
    if (factory) work.push(['building and disposing one', () => build(factory, config, seed).dispose()]);
    for (const [name, run] of work) {
      run(); // the first call may make what is kept for good
      const before = tf.memory().numTensors;
      run();
      const left = tf.memory().numTensors - before;
      if (left !== 0) return { fault: `${name} leaves ${left} tensors behind` };
    }
    return sound;
  },
};
