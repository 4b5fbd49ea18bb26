/** A linear recurrence h[t] = a[t] h[t − 1] + b[t] over 64 channels as an associative scan along time. */
import { compile, ops, tf } from '@tesserae/tensor';
import { uniform } from '../inputs.ts';
import { number, type Program } from '../program.ts';

const channels = 64;

/** See the file header. */
export const program: Program = {
  cases: () =>
    [1024, 4096, 16_384, 65_536].map((time) => ({
      id: `associative-scan.${time}`,
      title: `associative scan of a linear recurrence, ${channels} channels, length ${time}`,
      params: { channels, time },
      tolerance: 1e-4,
    })),
  build: (params) => {
    const shape = [number(params, 'time'), number(params, 'channels')];
    const [a, b] = [uniform('a', shape), uniform('b', shape)];
    type Pair = { a: tf.Tensor; b: tf.Tensor };
    const combine = (earlier: Pair, later: Pair): Pair => ({
      a: tf.mul(earlier.a, later.a),
      b: tf.add(tf.mul(earlier.b, later.a), later.b),
    });
    const run = compile((a: tf.Tensor, b: tf.Tensor) => ops.associativeScan(combine, { a, b }).b, {
      name: 'associative_scan',
    });
    return { step: () => run(a, b) };
  },
};
