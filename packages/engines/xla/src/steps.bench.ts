/**
 * Times of a few programs on an XLA engine: `nx bench xla`, or `node -C @tesserae/source src/steps.bench.ts xla:cuda`.
 *
 * Each figure is the median of the timed calls, and every call is finished before the clock stops. Compare figures of one
 * run on one machine only.
 */
import { compile, ops, random, tf, tree, useEngine, valueAndGrad } from '@tesserae/tensor';
import { xla } from './index.ts';

const calls = 20;

/** A program and what it is called with. */
interface Case {
  readonly name: string;
  readonly run: () => tf.Tensor;
}

function cases(): Case[] {
  const draw = (seed: number, shape: number[]): tf.Tensor => random.normal(random.key(seed), shape);
  const square = draw(0, [1024, 1024]);
  const product = compile((x: tf.Tensor) => tf.matMul(tf.matMul(x, x), x), { name: 'matmuls' });

  const images = draw(1, [64, 32, 32, 64]) as tf.Tensor4D;
  const filter = tf.variable(draw(2, [3, 3, 64, 64]) as tf.Tensor4D);
  const convolution = compile(
    (x: tf.Tensor4D) => {
      const { value, grads } = valueAndGrad(() => tf.mean(tf.square(tf.conv2d(x, filter, 1, 'same'))) as tf.Scalar, {
        filter,
      });
      filter.assign(tf.sub(filter, tf.mul(grads['filter'] as tf.Tensor4D, 1e-3)));
      return value;
    },
    { name: 'convolution_step' },
  );

  const [vectors, codebook] = [draw(3, [8192, 64]), draw(4, [8192, 64])];
  const nearest = compile((x: tf.Tensor, codes: tf.Tensor) => ops.nearestCode(x, codes), { name: 'nearest_code' });

  const one = tf.tensor1d([1]);
  const tiny = compile((x: tf.Tensor) => tf.add(x, 1), { name: 'tiny' });
  return [
    { name: 'two products of 1024×1024', run: () => product(square) },
    { name: 'training step of a 3×3 convolution, 64×32×32×64', run: () => convolution(images) },
    { name: 'nearest code, 8192×64 among 8192', run: () => nearest(vectors, codebook) },
    { name: 'a tiny compiled call', run: () => tiny(one) },
  ];
}

const [engine = 'xla:cpu'] = process.argv.slice(2);
const { name, detail } = await useEngine(engine, [xla]);
console.log(`${name} (${detail}), median of ${calls} calls`);
for (const { name: program, run } of cases()) {
  const times: number[] = [];
  for (let call = -2; call < calls; call++) {
    const start = performance.now();
    const result = run();
    await result.data();
    if (call >= 0) times.push(performance.now() - start);
    tree.dispose(result);
  }
  times.sort((a, b) => a - b);
  console.log(`${(times[calls / 2] as number).toFixed(3).padStart(10)} ms  ${program}`);
}
