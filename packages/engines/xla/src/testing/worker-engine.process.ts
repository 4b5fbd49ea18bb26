/** A worker thread with an engine of its own: trains a number, answers, ends. Its data: `{ target, shared }`. */
import { parentPort, workerData } from 'node:worker_threads';
import { compile, tf, useEngine, valueAndGrad } from '@tesserae/tensor';
import { xla } from '../provider.ts';

const { target, shared } = workerData as { target: number; shared: Float32Array };
await useEngine('xla:cpu', [xla]);
const weight = tf.variable(tf.scalar(0));
const step = compile((goal: tf.Tensor) => {
  const { value, grads } = valueAndGrad(() => tf.square(tf.sub(weight, goal)) as tf.Scalar, { weight });
  weight.assign(tf.sub(weight, tf.mul(grads['weight'] as tf.Scalar, 0.25)));
  return value;
});
const goal = tf.scalar(target);
for (let i = 0; i < 40; i++) step(goal).dispose();
shared.set(await weight.data());
const before = (await tf.sum(tf.ones([256, 256])).data())[0];
parentPort?.postMessage({ weight: shared[0], before, backend: tf.getBackend() });
tf.backend().dispose();
