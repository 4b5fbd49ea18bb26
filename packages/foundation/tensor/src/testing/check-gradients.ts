/**
 * Gradients against central finite differences.
 *
 * A random projection of the output, sum(w * fn(inputs)), is differentiated both ways: by TensorFlow.js, and as
 * (L(x + h) - L(x - h)) / 2h for each element of each input (or a sample of them). The sums run in float64 on the
 * host; what remains is float32 rounding of the op itself, about 1e-7 / h relative to its outputs.
 */
import * as tf from '@tensorflow/tfjs-core';
import { philoxUniform } from '../random/philox.ts';

/** See {@link checkGradients}. */
export interface CheckGradientsOptions {
  /** Step of the differences; default 1e-2, which suits float32 and values around 1. */
  step?: number;
  /** Default 2e-2. */
  rtol?: number;
  /** Absolute tolerance, relative to the largest gradient of that input (at least 1); default 2e-3. */
  atol?: number;
  /** Elements checked in each input; larger inputs are sampled evenly. Default 64. */
  elements?: number;
  /** Seed of the projection; default 0. */
  seed?: number;
}

/** float64 sum of products of the outputs with the projection. */
function project(outputs: readonly tf.Tensor[], weights: readonly Float32Array[]): number {
  let sum = 0;
  outputs.forEach((output, i) => {
    const values = output.dataSync();
    const w = weights[i] as Float32Array;
    for (let j = 0; j < values.length; j++) sum += (values[j] as number) * (w[j] as number);
  });
  return sum;
}

/**
 * Compares the gradient of `fn` with finite differences, for every input.
 *
 * @param fn a differentiable function of float32 tensors; returns one tensor or several.
 * @param inputs where to check; float32. They are not disposed.
 * @throws Error that names the input, the element, and both numbers.
 */
export function checkGradients(
  fn: (...inputs: tf.Tensor[]) => tf.Tensor | tf.Tensor[],
  inputs: readonly tf.Tensor[],
  options: CheckGradientsOptions = {},
): void {
  const { step = 1e-2, rtol = 2e-2, atol = 2e-3, elements = 64, seed = 0 } = options;
  inputs.forEach((input, i) => {
    if (input.dtype !== 'float32')
      throw new TypeError(`checkGradients: input ${i} must be float32, but is ${input.dtype}.`);
  });
  const evaluate = (args: readonly tf.Tensor[]): tf.Tensor[] => [fn(...args)].flat();
  tf.tidy(() => {
    const weights = evaluate(inputs).map((output, i) => philoxUniform(seed, i, 0, output.size).map((u) => u + 0.5));
    const loss = (...args: tf.Tensor[]): tf.Scalar =>
      tf.addN(
        evaluate(args).map((output, i) => tf.sum(tf.mul(output, tf.tensor(weights[i] as Float32Array, output.shape)))),
      ) as tf.Scalar;
    const gradients = tf.grads(loss)([...inputs]);
    inputs.forEach((input, i) => {
      const analytic = (gradients[i] as tf.Tensor).dataSync();
      const values = input.dataSync();
      const largest = Array.from(analytic).reduce((most, g) => Math.max(most, Math.abs(g)), 1);
      const count = Math.min(elements, input.size);
      for (let k = 0; k < count; k++) {
        const element = Math.floor((k * input.size) / count);
        const at = (delta: number): [number, number] =>
          tf.tidy(() => {
            const moved = Float32Array.from(values);
            moved[element] = (moved[element] as number) + delta;
            const replaced = inputs.map((other, j) => (j === i ? tf.tensor(moved, input.shape) : other));
            return [project(evaluate(replaced), weights), moved[element] as number] as unknown as tf.Tensor[];
          }) as unknown as [number, number];
        const [above, high] = at(step);
        const [below, low] = at(-step);
        const numeric = (above - below) / (high - low);
        const exact = analytic[element] as number;
        if (!(Math.abs(exact - numeric) <= atol * largest + rtol * Math.abs(numeric))) {
          throw new Error(
            `checkGradients: input ${i} [${input.shape.join(', ')}], element ${element} on '${tf.getBackend()}': ` +
              `gradient ${exact}, finite difference ${numeric} (step ${step}).`,
          );
        }
      }
    });
  });
}
