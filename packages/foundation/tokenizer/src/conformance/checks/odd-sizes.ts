import { tf } from '@tesserae/tensor';
import type { Tokenizer } from '../../tokenizer.ts';
import { sound, type Check } from '../check.ts';

export const oddSizes: Check = {
  name: 'odd-sizes',
  promise: 'signals of other sizes round-trip to their own shape, or are refused with an error that names the size',
  run({ tokenizer, samples }) {
    const shape = samples.shape;
    for (let axis = 1; axis < shape.length; axis++) {
      for (const change of [1, -1]) {
        const side = (shape[axis] as number) + change;
        if (side < 1) continue;
        const other = shape.map((length, i) => (i === axis ? side : length));
        const fault = tryShape(tokenizer, other, side);
        if (fault !== undefined) return { fault };
      }
    }
    const rank = tryShape(tokenizer, shape.slice(1), undefined);
    return rank === undefined ? sound : { fault: rank };
  },
};

/** @param named - The size that an error has to name, if one is thrown. */
function tryShape(tokenizer: Tokenizer, shape: readonly number[], named: number | undefined): string | undefined {
  const text = `[${shape.join(', ')}]`;
  try {
    return tf.tidy(() => {
      const decoded = tokenizer.decode(tokenizer.encode(tf.zeros([...shape])));
      return decoded.shape.join() === shape.join()
        ? undefined
        : `a batch of ${text} is taken, but comes back as [${decoded.shape.join(', ')}]`;
    }) as unknown as string | undefined;
  } catch (error) {
    const { message } = error as Error;
    if (named === undefined || new RegExp(`(?<!\\d)${named}(?!\\d)`).test(message)) return undefined;
    return `a batch of ${text} is refused, but the error does not name the size ${named}: ${message}`;
  }
}
