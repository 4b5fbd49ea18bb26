/**
 * A small app for tests of the disk cache: a training step, an eager program, one with a sort. Run as a process of its own;
 * prints one line of JSON.
 */
import { compile, tf, useEngine, valueAndGrad } from '@tesserae/tensor';
import type { XlaBackend } from '../backend.ts';
import { xlaProvider } from '../provider.ts';

const [setting = 'on'] = process.argv.slice(2);
await useEngine('xla:cpu', [xlaProvider({ programCache: setting === 'on' })]);
const weight = tf.variable(tf.ones([4, 4]) as tf.Tensor2D);
const step = compile((x: tf.Tensor2D) => {
  const { value, grads } = valueAndGrad(() => tf.mean(tf.square(tf.matMul(x, weight))) as tf.Scalar, { weight });
  weight.assign(tf.sub(weight, tf.mul(grads['weight'] as tf.Tensor2D, 0.001)));
  return value;
});
const x = tf.tensor2d([1, 2, 3, 4, 5, 6, 7, 8], [2, 4]);
const losses = [step(x), step(x), step(x)].map((loss) => loss.dataSync()[0]);
const sorted = [...tf.reverse(tf.topk(tf.tensor1d([3, 1, 2]), 3).values).dataSync()];
const { compilations, loads } = (tf.backend() as XlaBackend).programs;
process.stdout.write(JSON.stringify({ losses, sorted, compilations, loads }));
