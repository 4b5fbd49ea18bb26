/**
 * Functions of one variable that the WebAssembly backend computes slowly: tanh, sin and cos, at 30 to 80 ns an element.
 *
 * tanh is the rational approximation of Eigen (`generic_fast_tanh_float`), degree 13 over 6, in double precision: within
 * 4e-7 of the true value. Beyond ±7.9 the value is ±1 in float32.
 */
import { floats, type KernelArgs } from './wasmBackend.ts';
import type * as tf from '@tensorflow/tfjs-core';

const tanhLimit = 7.90531110763549805;

/** The Tanh kernel. */
export function tanh({ inputs, backend }: KernelArgs): tf.TensorInfo {
  const { x } = inputs as { x: tf.TensorInfo };
  const out = backend.makeOutput(x.shape, 'float32');
  const [from, to] = [floats(backend, x), floats(backend, out)];
  for (let i = 0; i < to.length; i++) {
    const v = Math.max(-tanhLimit, Math.min(tanhLimit, from[i] as number));
    const s = v * v;
    const numerator =
      4.89352455891786e-3 +
      s *
        (6.37261928875436e-4 +
          s *
            (1.48572235717979e-5 +
              s *
                (5.12229709037114e-8 +
                  s * (-8.60467152213735e-11 + s * (2.00018790482477e-13 + s * -2.76076847742355e-16)))));
    const denominator =
      4.89352518554385e-3 + s * (2.268434632439e-3 + s * (1.18534705686654e-4 + s * 1.19825839466702e-6));
    to[i] = (v * numerator) / denominator;
  }
  return out;
}

/** The Sin kernel. */
export function sin({ inputs, backend }: KernelArgs): tf.TensorInfo {
  const { x } = inputs as { x: tf.TensorInfo };
  const out = backend.makeOutput(x.shape, 'float32');
  const [from, to] = [floats(backend, x), floats(backend, out)];
  for (let i = 0; i < to.length; i++) to[i] = Math.sin(from[i] as number);
  return out;
}

/** The Cos kernel. */
export function cos({ inputs, backend }: KernelArgs): tf.TensorInfo {
  const { x } = inputs as { x: tf.TensorInfo };
  const out = backend.makeOutput(x.shape, 'float32');
  const [from, to] = [floats(backend, x), floats(backend, out)];
  for (let i = 0; i < to.length; i++) to[i] = Math.cos(from[i] as number);
  return out;
}
