/**
 * What a call costs beside the arithmetic: x + 1 for one number, op by op and compiled.
 *
 * `read` waits for each result on the host; `lazy` chains additions and reads only the last; `compiled` calls a compiled
 * function over and over.
 */
import { compile, tf } from '@tesserae/tensor';
import type { Program } from '../program.ts';

const titles: Readonly<Record<string, string>> = {
  read: 'a tiny op, each result read',
  lazy: 'a tiny op in a chain of 100, the last result read, per op',
  compiled: 'a tiny compiled call',
};

/** Operations of the chain. */
const chained = 100;

/** See the file header. */
export const program: Program = {
  cases: () =>
    Object.entries(titles).map(([mode, title]) => ({
      id: `tiny-op.${mode}`,
      title,
      params: { mode, chained },
      tolerance: 1e-6,
      ...(mode === 'lazy' && { operations: chained }),
    })),
  build: ({ mode }) => {
    const one = tf.tensor1d([1]);
    if (mode === 'compiled') {
      const add = compile((x: tf.Tensor) => tf.add(x, 1), { name: 'tiny' });
      return { step: () => add(one) };
    }
    const operations = mode === 'lazy' ? chained : 1;
    return {
      step: async () => {
        const result = tf.tidy(() => {
          let x: tf.Tensor = one;
          for (let i = 0; i < operations; i++) x = tf.add(x, 1);
          return x;
        });
        await result.data();
        return result;
      },
    };
  },
};
