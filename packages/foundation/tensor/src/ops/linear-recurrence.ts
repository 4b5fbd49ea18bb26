/**
 * h_t = a_t h_{t-1} + b_t, the recurrence inside linear state-space layers, with its gradient written out: the same
 * recurrence backwards in time (Martin and Cundy, "Parallelizing Linear Recurrent Neural Nets Over Sequence Length",
 * arXiv:1709.04057, section 2), so the backward pass keeps two tensors and not the whole graph of a parallel scan.
 *
 * Engines may register `LinearRecurrence` ({ decay, input [outer, T, inner] } with { reverse } -> [outer, T, inner]); the
 * others run `associativeScan`.
 */
import * as tf from '@tensorflow/tfjs-core';
import { recordingOuterTape } from '../gradients/gradient.ts';
import { associativeScan } from './associative-scan.ts';
import { checkSameShape, checkTensor, normalAxis } from './check.ts';
import { hasKernel, runKernel } from './fused-kernel.ts';

/** Options of {@link linearRecurrence}. */
export interface LinearRecurrenceOptions {
  /** Time; default 0. */
  axis?: number;
  /** From the last element to the first: h_t = a_t h_{t+1} + b_t. Default false. */
  reverse?: boolean;
}

interface Affine {
  decay: tf.Tensor;
  state: tf.Tensor;
}

function composed(decay: tf.Tensor, input: tf.Tensor, reverse: boolean): tf.Tensor {
  const turn = (x: tf.Tensor): tf.Tensor => (reverse ? tf.reverse(x, 1) : x);
  const { state } = associativeScan<Affine>(
    (earlier, later) => ({
      decay: tf.mul(earlier.decay, later.decay),
      state: tf.add(tf.mul(later.decay, earlier.state), later.state),
    }),
    { decay: turn(decay), state: turn(input) },
    1,
  );
  return turn(state);
}

/** x_{t-1} at t, or x_{t+1} if `backwards`; zero beyond the end. x is [outer, T, inner]. */
function neighbour(x: tf.Tensor, backwards: boolean): tf.Tensor {
  const [outer, time, inner] = x.shape as [number, number, number];
  const kept = tf.slice(x, [0, backwards ? 1 : 0, 0], [outer, time - 1, inner]);
  return tf.pad(kept, [[0, 0], backwards ? [0, 1] : [1, 0], [0, 0]]);
}

/** The recurrence along axis 1 of [outer, T, inner]. */
function recur(decay: tf.Tensor, input: tf.Tensor, reverse: boolean): tf.Tensor {
  const op = tf.customGrad((...args) => {
    const [a, b, save] = args as unknown as [tf.Tensor, tf.Tensor, tf.GradSaveFunc];
    const value = hasKernel('LinearRecurrence')
      ? (runKernel('LinearRecurrence', { decay: a, input: b }, { reverse })[0] as tf.Tensor)
      : composed(a, b, reverse);
    save([a, b, value]);
    return {
      value,
      gradFunc: (dy: tf.Tensor, saved: tf.Tensor[]) => {
        const [again, driven, kept] = saved as [tf.Tensor, tf.Tensor, tf.Tensor];
        // A saved output is a constant to an outer gradient.
        const states = recordingOuterTape() ? recur(again, driven, reverse) : kept;
        const dInput = recur(neighbour(again, !reverse), dy, !reverse);
        return [tf.mul(dInput, neighbour(states, reverse)), dInput];
      },
    };
  });
  return op(decay, input);
}

/**
 * h_t = decay_t h_{t-1} + input_t along an axis, from h = 0. Differentiable to any order.
 *
 * @param decay float32, any shape.
 * @param input float32, the same shape.
 * @returns all h, of that shape.
 * @throws TypeError for another dtype, RangeError if shapes differ or the axis is not there.
 */
export function linearRecurrence(decay: tf.Tensor, input: tf.Tensor, options: LinearRecurrenceOptions = {}): tf.Tensor {
  checkTensor('linearRecurrence', 'decay', decay, {});
  checkTensor('linearRecurrence', 'input', input, {});
  checkSameShape('linearRecurrence', 'decay', decay, 'input', input);
  const { axis = 0, reverse = false } = options;
  const along = normalAxis('linearRecurrence', axis, input.rank);
  const size = tf.util.sizeFromShape;
  const { shape } = input;
  // Nothing to go through; the product has gradients of that shape.
  if (input.size === 0) return tf.mul(decay, input);
  const flat = [size(shape.slice(0, along)), shape[along] as number, size(shape.slice(along + 1))];
  return tf.tidy(() => tf.reshape(recur(tf.reshape(decay, flat), tf.reshape(input, flat), reverse), shape));
}
