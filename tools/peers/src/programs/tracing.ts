/**
 * What it costs to turn calls into a program: a chain of 500 additions and products, per operation.
 *
 * Ours records them, writes them as StableHLO, finds that text in its cache of programs and runs it; JAX traces a new
 * function and lowers it to StableHLO; PyTorch's Dynamo captures a new function for a compiler that does nothing.
 */
import { isCompiling, tf } from '@tesserae/tensor';
import type { Program } from '../program.ts';
import { MissingError } from '../worker/protocol.ts';

const operations = 500;

/** See the file header. */
export const program: Program = {
  cases: () => [
    {
      id: 'tracing',
      title: `tracing ${operations} operations, per operation`,
      params: { operations },
      tolerance: 1e-5,
      operations,
    },
  ],
  build: () => {
    if (!isCompiling(tf.backend())) throw new MissingError('it computes op by op and traces nothing');
    const one = tf.ones([4]);
    return {
      step: async () => {
        const result = tf.tidy(() => {
          let x: tf.Tensor = one;
          for (let i = 0; i < operations / 2; i++) x = tf.mul(tf.add(x, one), 0.5);
          return x;
        });
        await result.data();
        return result;
      },
    };
  },
};
