import { random, runTrace, tf } from '@tesserae/tensor';
import { sound, type Check } from '../check.ts';

export const traceable: Check = {
  name: 'traceable',
  promise: 'encode, decode and loss read no values, so they can run inside compile',
  run({ tokenizer, trainable, samples, seed }) {
    const tokens = tokenizer.encode(samples);
    const step = tf.scalar(0);
    const key = random.key(seed);
    const work: [string, () => unknown][] = [
      ['encode', () => tokenizer.encode(samples)],
      ['decode', () => tokenizer.decode(tokens)],
    ];
    if (trainable) {
      work.push(['loss', () => random.withKey(key, () => trainable.loss(samples, { training: true, step }))]);
    }
    for (const [name, run] of work) {
      const read = readDuring(() => tf.tidy(() => void runTrace(run)));
      if (read !== undefined) return { fault: `${name} calls tensor.${read}(), which fails inside compile` };
    }
    return sound;
  },
};

const READS = ['dataSync', 'data', 'arraySync', 'array', 'bytes', 'bufferSync', 'buffer'] as const;

/**
 * The first read of a tensor's values that `fn` makes, or undefined. An engine without tracing would let it pass, so
 * the methods are watched for the time of the call.
 */
function readDuring(fn: () => void): string | undefined {
  const prototype = tf.Tensor.prototype as unknown as Record<string, unknown>;
  const originals = READS.map((name) => [name, prototype[name]] as const);
  let read: string | undefined;
  try {
    for (const [name, original] of originals) {
      prototype[name] = function (this: tf.Tensor, ...args: unknown[]): unknown {
        read ??= name;
        return (original as (...args: unknown[]) => unknown).apply(this, args);
      };
    }
    fn();
  } finally {
    for (const [name, original] of originals) prototype[name] = original;
  }
  return read;
}
