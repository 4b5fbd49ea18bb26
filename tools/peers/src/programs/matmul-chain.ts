/** A chain of square matrix products, x ← x W, with W of norm about 1: arithmetic alone. */
import { compile, tf, withPrecision, type Precision } from '@tesserae/tensor';
import { uniform } from '../inputs.ts';
import { number, type Case, type Program } from '../program.ts';

const [length, size] = [8, 2048];

function chain(precision: Precision, tolerance: number): Case {
  const title = `${length} matmuls of ${size}, ${precision}`;
  return { id: `matmul-chain.${precision}`, title, params: { length, size, precision }, tolerance };
}

/** See the file header. */
export const program: Program = {
  cases: (device) => [
    chain('float32', 1e-4),
    ...(device === 'gpu' ? [chain('tf32', 2e-2), chain('bfloat16', 5e-2)] : []),
  ],
  build: (params) => {
    const size = number(params, 'size');
    const x = uniform('x', [size, size]) as tf.Tensor2D;
    const w = uniform('w', [size, size], Math.sqrt(3 / size)) as tf.Tensor2D;
    const run = compile(
      (x: tf.Tensor2D, w: tf.Tensor2D) =>
        withPrecision(params['precision'] as Precision, () => {
          let y = x;
          for (let i = 0; i < number(params, 'length'); i++) y = tf.matMul(y, w);
          return y;
        }),
      { name: 'matmul_chain' },
    );
    return { step: () => run(x, w) };
  },
};
