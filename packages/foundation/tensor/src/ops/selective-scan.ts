/**
 * The selective scan of Mamba (Gu and Dao, arXiv:2312.00752, section 3): a diagonal state-space model whose step size,
 * input and output maps depend on the input.
 *
 * The decay is exact, exp(delta a); the input map is the Euler step delta b, as in the authors' code, not the
 * zero-order hold of the paper's equation 4. Engines may register `SelectiveScan` ({ x, delta, a, b, c, skip? } with { chunk }
 * -> [y, states [B, ceil(T / chunk), D, N]], the state at each chunk's start) and `SelectiveScanGrad` ({ ..., states, dY }
 * -> gradients of all inputs), which never hold states of more than a chunk; the composed form holds all, [B, T, D, N].
 */
import * as tf from '@tensorflow/tfjs-core';
import { checkTensor, describe } from './check.ts';
import { hasKernel, runFused, runKernel } from './fused-kernel.ts';
import type { FusedOp } from './fused-kernel.ts';
import { linearRecurrence } from './linear-recurrence.ts';

/** Arguments of {@link selectiveScan}, all float32. */
export interface SelectiveScanOptions {
  /** Input, [B, T, D]. */
  x: tf.Tensor;
  /** Step sizes, [B, T, D]; positive: apply softplus before. */
  delta: tf.Tensor;
  /** Decay rates, [D, N]; negative for a stable scan. */
  a: tf.Tensor;
  /** Input map, [B, T, N], shared by the channels. */
  b: tf.Tensor;
  /** Output map, [B, T, N]. */
  c: tf.Tensor;
  /** Direct path, [D]; default none. */
  skip?: tf.Tensor;
}

/** Steps whose states a kernel holds at once. */
const chunk = 64;

const fused: FusedOp = {
  forward: ([x, delta, a, b, c, skip]) => {
    const [y, states] = runKernel('SelectiveScan', { x, delta, a, b, c, skip }, { chunk });
    return { value: y as tf.Tensor, extra: [states as tf.Tensor] };
  },
  backward: (dY, [x, delta, a, b, c, skip], _, __, [states]) =>
    runKernel('SelectiveScanGrad', { x, delta, a, b, c, skip, states, dY }, { chunk }),
  composed,
};

function composed([x, delta, a, b, c, skip]: tf.Tensor[]): tf.Tensor {
  const input = x as tf.Tensor;
  const decay = tf.exp(tf.mul(tf.expandDims(delta as tf.Tensor, 3), a as tf.Tensor)); // [B, T, D, N]
  const driven = tf.mul(tf.expandDims(tf.mul(delta as tf.Tensor, input), 3), tf.expandDims(b as tf.Tensor, 2));
  const states = linearRecurrence(decay, driven, { axis: 1 });
  const y = tf.sum(tf.mul(states, tf.expandDims(c as tf.Tensor, 2)), 3); // [B, T, D]
  return skip === undefined ? y : tf.add(y, tf.mul(skip, input));
}

/**
 * h_t = exp(delta_t a) h_{t-1} + delta_t x_t b_t and y_t = sum over n of c_t h_t (+ skip x_t), from h = 0.
 *
 * @returns y, float32 [B, T, D].
 * @throws TypeError for a wrong dtype or rank, RangeError if the shapes do not fit.
 */
export function selectiveScan(options: SelectiveScanOptions): tf.Tensor3D {
  const { x, delta, a, b, c, skip } = options;
  checkTensor('selectiveScan', 'x', x, { ranks: [3], shape: ' [B, T, D]' });
  checkTensor('selectiveScan', 'delta', delta, { ranks: [3], shape: ' [B, T, D]' });
  checkTensor('selectiveScan', 'a', a, { ranks: [2], shape: ' [D, N]' });
  checkTensor('selectiveScan', 'b', b, { ranks: [3], shape: ' [B, T, N]' });
  checkTensor('selectiveScan', 'c', c, { ranks: [3], shape: ' [B, T, N]' });
  if (skip !== undefined) checkTensor('selectiveScan', 'skip', skip, { ranks: [1], shape: ' [D]' });
  const [batch, time, channels] = x.shape as [number, number, number];
  const states = a.shape[1] as number;
  const { arraysEqual } = tf.util;
  const fits =
    time > 0 &&
    arraysEqual(delta.shape, x.shape) &&
    a.shape[0] === channels &&
    arraysEqual(b.shape, [batch, time, states]) &&
    arraysEqual(c.shape, b.shape) &&
    (skip === undefined || skip.shape[0] === channels);
  if (!fits) {
    const got = Object.entries(options as unknown as Record<string, unknown>).map(
      ([name, value]) => `${name} ${describe(value)}`,
    );
    throw new RangeError(
      `selectiveScan: expected 'x' and 'delta' [B, T, D], 'a' [D, N], 'b' and 'c' [B, T, N] and 'skip' [D] with T at least 1, but got ${got.join(', ')}.`,
    );
  }
  // A state of no size gives the direct path alone.
  if (x.size * states === 0) return tf.tidy(() => tf.mul(x, skip ?? 0)) as tf.Tensor3D;
  const inputs = skip === undefined ? [x, delta, a, b, c] : [x, delta, a, b, c, skip];
  return tf.tidy(() => (hasKernel('SelectiveScan') ? runFused(fused, inputs) : composed(inputs))) as tf.Tensor3D;
}
