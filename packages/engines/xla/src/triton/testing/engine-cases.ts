/**
 * Calls of the ops that have own kernels on CUDA, at odd and even sizes, with gradients: run on `xla:cuda` and on the plain
 * CPU engine, and compared. The test beside the kernels does so where a GPU is present.
 */
import { ops, tf } from '@tesserae/tensor';
import { between, floats, integers } from '../../testing/specimens.ts';
import type { Specimen } from '../../testing/specimens.ts';

/** A function of some tensors; results are compared to `tolerance` of the largest element. */
export interface EngineCase {
  readonly name: string;
  readonly inputs: readonly Specimen[];
  run(inputs: readonly tf.Tensor[]): tf.Tensor[];
}

/** The value, and the gradients of its sum with fixed weights for the first `count` inputs. */
function withGradients(count: number, fn: (inputs: readonly tf.Tensor[]) => tf.Tensor): EngineCase['run'] {
  return (inputs) => {
    const value = fn(inputs);
    const weights = tf.reshape(tf.cos(tf.range(0, value.size, 1, 'float32')), value.shape);
    const sum = (...xs: tf.Tensor[]): tf.Scalar => tf.sum(tf.mul(fn([...xs, ...inputs.slice(count)]), weights));
    return [value, ...tf.grads(sum)(inputs.slice(0, count))];
  };
}

const attention = (causal: boolean, sizes: readonly (readonly number[])[], mask?: readonly number[]): EngineCase => ({
  name: `attention ${causal ? 'causal ' : ''}${sizes.map((size) => `[${size.join(', ')}]`).join(' ')}${mask ? ' masked' : ''}`,
  inputs: [...sizes.map((size) => floats(...size)), ...(mask ? [floats(...mask)] : [])],
  run: withGradients(3, ([query, key, value, added]) =>
    ops.attention({
      query: query as tf.Tensor,
      key: key as tf.Tensor,
      value: value as tf.Tensor,
      causal,
      ...(added ? { mask: added } : {}),
    }),
  ),
});

const linear = (rows: number, width: number, words: number): EngineCase => ({
  name: `linearCrossEntropy ${rows} x ${width} over ${words}`,
  inputs: [floats(rows, width), between(-0.3, 0.3, width, words), floats(words), integers(0, words, rows)],
  run: withGradients(3, ([features, weight, bias, labels]) =>
    ops.linearCrossEntropy({
      features: features as tf.Tensor,
      weight: weight as tf.Tensor,
      bias: bias as tf.Tensor,
      labels: labels as tf.Tensor,
    }),
  ),
});

const logits = (rows: number, words: number): EngineCase => ({
  name: `softmaxCrossEntropy ${rows} over ${words}`,
  inputs: [between(-9, 9, rows, words), integers(0, words, rows)],
  run: withGradients(1, ([x, labels]) => ops.softmaxCrossEntropy(x as tf.Tensor, labels as tf.Tensor)),
});

const scan = (batch: number, steps: number, channels: number, states: number): EngineCase => ({
  name: `selectiveScan ${batch} x ${steps} x ${channels}, ${states} states`,
  inputs: [
    floats(batch, steps, channels),
    between(0.05, 1, batch, steps, channels),
    between(-2, -0.1, channels, states),
    floats(batch, steps, states),
    floats(batch, steps, states),
    floats(channels),
  ],
  run: withGradients(6, ([x, delta, a, b, c, skip]) =>
    ops.selectiveScan({
      x: x as tf.Tensor,
      delta: delta as tf.Tensor,
      a: a as tf.Tensor,
      b: b as tf.Tensor,
      c: c as tf.Tensor,
      skip: skip as tf.Tensor,
    }),
  ),
});

/** See the file header. */
export const engineCases: readonly EngineCase[] = [
  attention(true, [
    [2, 4, 37, 24],
    [2, 2, 53, 24],
    [2, 2, 53, 40],
  ]),
  attention(
    false,
    [
      [1, 2, 64, 32],
      [1, 2, 64, 32],
      [1, 2, 64, 32],
    ],
    [1, 1, 64],
  ),
  linear(37, 24, 301),
  linear(64, 32, 256),
  logits(19, 333),
  scan(2, 75, 35, 5),
  scan(1, 128, 32, 16),
  {
    name: 'nearestCode 301 x 7 among 100',
    inputs: [floats(301, 7), floats(100, 7)],
    run: ([x, codes]) => [ops.nearestCode(x as tf.Tensor, codes as tf.Tensor)],
  },
];
