/**
 * Compares gradients of the tape with central finite differences; for the tests of this folder.
 *
 * The scalar is L = sum(w * f(x)) with fixed pseudo-random w, summed in double precision on the host, since f itself is
 * computed in float32: with a step h the difference quotient is off by about 1e-7 / h plus h².
 */
import * as tf from '@tensorflow/tfjs-core';

/** A function of some tensors, the tensors, and how closely the gradients must agree. */
export interface GradientCase {
  readonly f: (...inputs: tf.Tensor[]) => tf.Tensor;
  readonly inputs: readonly tf.Tensor[];
  /** Step of the difference quotient. Default 0.01. */
  readonly step?: number;
  /** Largest |difference| / (1 + |expected|). Default 0.01. */
  readonly tolerance?: number;
}

/** Deterministic values in [low, high), spread well enough that no two are close for small sizes. */
export function spreadValues(shape: readonly number[], low = -1, high = 1, offset = 0): tf.Tensor {
  const size = shape.reduce((a, b) => a * b, 1);
  const golden = 0.6180339887498949;
  const values = Array.from({ length: size }, (_, i) => low + (high - low) * (((i + 1 + offset) * golden) % 1));
  return tf.tensor(values, [...shape], 'float32');
}

/** Largest error of the tape's gradient against finite differences, relative to 1 + |expected|; throws on a wrong shape. */
export function gradientError({ f, inputs, step = 0.01 }: GradientCase): number {
  return tf.tidy(() => {
    const weights = spreadValues(f(...inputs).shape, -1, 1, 7);
    const actual = tf.grads((...xs: tf.Tensor[]) => f(...xs))([...inputs], weights);
    const w = weights.dataSync();
    const loss = (xs: tf.Tensor[]): number => tf.tidy(() => dot(f(...xs).dataSync(), w));
    let worst = 0;
    inputs.forEach((input, position) => {
      const gradient = actual[position];
      if (gradient === undefined || !tf.util.arraysEqual(gradient.shape, input.shape)) {
        throw new Error(`gradient ${position}: expected shape [${input.shape}], received [${gradient?.shape}]`);
      }
      const values = gradient.dataSync();
      const base = Float32Array.from(input.dataSync());
      base.forEach((value, i) => {
        const at = (moved: number): number => {
          const copy = base.slice();
          copy[i] = moved;
          return loss(inputs.map((x, p) => (p === position ? tf.tensor(copy, input.shape) : x)));
        };
        const expected =
          (at(value + step) - at(value - step)) / (Math.fround(value + step) - Math.fround(value - step));
        const error = Math.abs((values[i] ?? NaN) - expected) / (1 + Math.abs(expected));
        worst = Number.isNaN(error) ? Infinity : Math.max(worst, error);
      });
    });
    return worst;
  });
}

/** The same case one derivative higher: the function is sum(w * gradient of f), so the gradient of a gradient is checked. */
export function ofGradient(gradientCase: GradientCase): GradientCase {
  const { inputs } = gradientCase;
  // The square keeps a linear function's gradient from being a constant, through which the tape finds no way.
  const f = (...xs: tf.Tensor[]): tf.Tensor => {
    const y = gradientCase.f(...xs);
    return tf.add(y, tf.square(y));
  };
  return {
    ...gradientCase,
    f: (...xs) => {
      const gradients = tf.grads((...ys: tf.Tensor[]) => f(...ys))(xs, spreadValues(f(...xs).shape, -1, 1, 3));
      return tf.addN(gradients.map((g, i) => tf.sum(tf.mul(g, spreadValues(inputs[i]?.shape ?? [], -1, 1, 11)))));
    },
  };
}

function dot(a: ArrayLike<number>, b: ArrayLike<number>): number {
  let sum = 0;
  for (let i = 0; i < a.length; i++) sum += (a[i] ?? 0) * (b[i] ?? 0);
  return sum;
}
