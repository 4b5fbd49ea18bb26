/** Cross entropy under a large vocabulary: a linear head of 50,304 outputs and its loss, with gradients of both inputs. */
import { compile, ops, tf, withPrecision, type Precision } from '@tesserae/tensor';
import { integers, uniform } from '../inputs.ts';
import { number, type Case, type Device, type Params, type Program } from '../program.ts';

const sizes: Record<Device, Params> = {
  cpu: { rows: 512, dim: 256, vocabulary: 50_304 },
  gpu: { rows: 8192, dim: 512, vocabulary: 50_304 },
};

/** See the file header. */
export const program: Program = {
  cases: (device) => {
    const size = sizes[device];
    const row = (precision: Precision, tolerance: number): Case => ({
      id: `linear-cross-entropy.${precision}`,
      title: `linear + cross-entropy with gradients, ${size['rows']} rows of ${size['dim']}, ${size['vocabulary']} words, ${precision}`,
      params: { ...size, precision },
      tolerance,
    });
    const float32 = row('float32', 1e-4);
    return device === 'cpu' ? [float32] : [float32, row('bfloat16', 5e-2), row('tf32', 1e-2)];
  },
  build: (params) => {
    const [rows, dim, vocabulary] = ['rows', 'dim', 'vocabulary'].map((name) => number(params, name)) as [
      number,
      number,
      number,
    ];
    const features = uniform('features', [rows, dim]);
    const weight = uniform('weight', [dim, vocabulary], 1 / Math.sqrt(dim));
    const labels = integers('labels', [rows], vocabulary);
    const run = compile(
      (features: tf.Tensor, weight: tf.Tensor, labels: tf.Tensor) =>
        withPrecision(params['precision'] as Precision, () => {
          const loss = (features: tf.Tensor, weight: tf.Tensor): tf.Tensor =>
            tf.mean(ops.linearCrossEntropy({ features, weight, labels }));
          const { value, grads } = tf.valueAndGrads(loss)([features, weight]);
          return [value, ...grads];
        }),
      { name: 'linear_cross_entropy' },
    );
    return { step: () => run(features, weight, labels) };
  },
};
