/** A training step of one 3×3 convolution of 64 channels with plain gradient descent, on images of 32×32. */
import { compile, tf, valueAndGrad, withPrecision, type Precision } from '@tesserae/tensor';
import { uniform } from '../inputs.ts';
import { number, type Case, type Program } from '../program.ts';

const [side, channels] = [32, 64];

function step(batch: number, precision: Precision, tolerance: number): Case {
  const title = `conv train step, 3×3×${channels} over ${batch}×${side}×${side}×${channels}, ${precision}`;
  return { id: `conv-step.${batch}.${precision}`, title, params: { batch, side, channels, precision }, tolerance };
}

/** See the file header. */
export const program: Program = {
  cases: (device) => {
    // The loss is a mean of millions of squares, and not everybody adds them in pairs: one by one they are 5e-3 off.
    const rows = (precision: Precision): Case[] => [64, 256].map((batch) => step(batch, precision, 1e-2));
    return device === 'cpu' ? rows('float32') : [...rows('float32'), ...rows('tf32')];
  },
  build: (params) => {
    const [batch, side, channels] = ['batch', 'side', 'channels'].map((name) => number(params, name)) as [
      number,
      number,
      number,
    ];
    const x = uniform('x', [batch, side, side, channels]) as tf.Tensor4D;
    const filter = tf.variable(
      uniform('filter', [3, 3, channels, channels], Math.sqrt(3 / 9 / channels)),
    ) as tf.Variable<tf.Rank.R4>;
    const train = compile(
      (x: tf.Tensor4D) =>
        withPrecision(params['precision'] as Precision, () => {
          const { value, grads } = valueAndGrad(
            () => tf.mean(tf.square(tf.conv2d(x, filter, 1, 'same'))) as tf.Scalar,
            { filter },
          );
          filter.assign(tf.sub(filter, tf.mul(grads['filter'] as tf.Tensor4D, 1e-2)));
          return value;
        }),
      { name: 'conv_step' },
    );
    return { step: () => train(x) };
  },
};
