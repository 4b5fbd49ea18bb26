/**
 * GELU (Hendrycks and Gimpel, arXiv:1606.08415) and SiLU, also called swish (Ramachandran et al., arXiv:1710.05941).
 *
 * Each is one op for the gradient tape, with its derivative written out: about half the memory of the composed form.
 */
import * as tf from '@tensorflow/tfjs-core';
import { checkTensor } from './check.ts';

/** `'none'`: with erf, PyTorch's default. `'tanh'`: the approximation of GPT-2. */
export type GeluApproximation = 'none' | 'tanh';

const sqrtHalf = Math.SQRT1_2;
const sqrtTwoOverPi = Math.sqrt(2 / Math.PI);

/** The cumulative distribution of the normal. */
function normalCdf(x: tf.Tensor): tf.Tensor {
  return tf.mul(tf.add(tf.erf(tf.mul(x, sqrtHalf)), 1), 0.5);
}

/** tanh(sqrt(2/pi) (x + 0.044715 x^3)). */
function tanhTerm(x: tf.Tensor): tf.Tensor {
  return tf.tanh(tf.mul(tf.add(x, tf.mul(tf.mul(tf.square(x), x), 0.044715)), sqrtTwoOverPi));
}

/**
 * x Phi(x), with Phi the normal distribution's cumulative function; or its tanh approximation.
 *
 * @param x float32, any shape.
 */
export function gelu<T extends tf.Tensor>(x: T, approximate: GeluApproximation = 'none'): T {
  checkTensor('gelu', 'x', x, {});
  if (approximate !== 'none' && approximate !== 'tanh') {
    throw new RangeError(`gelu: 'approximate' must be 'none' or 'tanh', but got '${approximate as string}'.`);
  }
  const exact = tf.customGrad((input, save) => {
    const value = input as tf.Tensor;
    (save as tf.GradSaveFunc)([value]);
    return {
      value: tf.mul(value, normalCdf(value)),
      gradFunc: (dy: tf.Tensor, [saved]: tf.Tensor[]) => {
        const v = saved as tf.Tensor;
        const density = tf.mul(tf.exp(tf.mul(tf.square(v), -0.5)), 1 / Math.sqrt(2 * Math.PI));
        return tf.mul(dy, tf.add(normalCdf(v), tf.mul(v, density)));
      },
    };
  });
  const tanh = tf.customGrad((input, save) => {
    const value = input as tf.Tensor;
    (save as tf.GradSaveFunc)([value]);
    return {
      value: tf.mul(tf.mul(value, 0.5), tf.add(tanhTerm(value), 1)),
      gradFunc: (dy: tf.Tensor, [saved]: tf.Tensor[]) => {
        const v = saved as tf.Tensor;
        const t = tanhTerm(v);
        // d/dx [x (1 + t) / 2] = (1 + t) / 2 + x (1 - t^2) u' / 2, u' = sqrt(2/pi) (1 + 3 * 0.044715 x^2)
        const slope = tf.mul(tf.add(tf.mul(tf.square(v), 3 * 0.044715), 1), sqrtTwoOverPi);
        const curved = tf.mul(tf.mul(v, tf.sub(1, tf.square(t))), slope);
        return tf.mul(dy, tf.mul(tf.add(tf.add(t, 1), curved), 0.5));
      },
    };
  });
  return (approximate === 'none' ? exact(x) : tanh(x)) as T;
}

/**
 * x sigmoid(x).
 *
 * @param x float32, any shape.
 */
export function silu<T extends tf.Tensor>(x: T): T {
  checkTensor('silu', 'x', x, {});
  const op = tf.customGrad((input, save) => {
    const value = input as tf.Tensor;
    (save as tf.GradSaveFunc)([value]);
    return {
      value: tf.mul(value, tf.sigmoid(value)),
      gradFunc: (dy: tf.Tensor, [saved]: tf.Tensor[]) => {
        const v = saved as tf.Tensor;
        const gate = tf.sigmoid(v);
        return tf.mul(dy, tf.mul(gate, tf.add(tf.mul(v, tf.sub(1, gate)), 1)));
      },
    };
  });
  return op(x) as T;
}
