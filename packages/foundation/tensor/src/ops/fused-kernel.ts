/**
 * Ops that an engine may compute by a kernel of its own, with its own gradient kernel.
 *
 * Such an op has a *composed* form of plain ops as well: for engines without the kernel, for gradients of gradients, and
 * as the reference of tests.
 */
import * as tf from '@tensorflow/tfjs-core';
import { choosesForms } from '../backend-contract.ts';
import { recordingOuterTape } from '../gradients/gradient.ts';

/** Whether the engine in use has a kernel, and uses it for these inputs where they are given. */
export function hasKernel(name: string, inputs: readonly tf.Tensor[] = []): boolean {
  if (tf.getKernel(name, tf.getBackend()) == null) return false;
  const backend = tf.backend();
  return !(
    choosesForms(backend) &&
    backend.prefersComposed(
      name,
      inputs.map(({ shape }) => shape),
    )
  );
}

/** Runs a kernel; inputs that are undefined are left out. */
export function runKernel(
  name: string,
  inputs: Readonly<Record<string, tf.Tensor | undefined>>,
  attributes: tf.NamedAttrMap = {},
): tf.Tensor[] {
  const given = Object.fromEntries(Object.entries(inputs).filter(([, x]) => x !== undefined)) as tf.NamedTensorMap;
  const results = tf.engine().runKernel(name, given, attributes) as tf.Tensor | tf.Tensor[];
  return Array.isArray(results) ? results : [results];
}

/** One op in both forms. `constants` are tensors that no gradient flows to. */
export interface FusedOp {
  /** The kernel: its result, and what else the backward pass wants to have. */
  forward(inputs: tf.Tensor[], constants: tf.Tensor[]): { value: tf.Tensor; extra: tf.Tensor[] };
  /** The gradient kernel: the gradient of each input. */
  backward(
    dy: tf.Tensor,
    inputs: tf.Tensor[],
    constants: tf.Tensor[],
    value: tf.Tensor,
    extra: tf.Tensor[],
  ): tf.Tensor[];
  /** The same of plain ops. */
  composed(inputs: tf.Tensor[], constants: tf.Tensor[]): tf.Tensor;
}

/** Runs the fused form, differentiable to any order. */
export function runFused(op: FusedOp, inputs: readonly tf.Tensor[], constants: readonly tf.Tensor[] = []): tf.Tensor {
  const count = inputs.length;
  const last = count + constants.length;
  const run = tf.customGrad((...args) => {
    const given = args.slice(0, count) as tf.Tensor[];
    const save = args[count] as unknown as tf.GradSaveFunc;
    const { value, extra } = op.forward(given, [...constants]);
    save([...given, ...constants, value, ...extra]);
    return {
      value,
      gradFunc: (dy: tf.Tensor, saved: tf.Tensor[]) => {
        const [again, fixed] = [saved.slice(0, count), saved.slice(count, last)];
        // The tape knows how the saved inputs came about, but not what a kernel does with them.
        if (recordingOuterTape()) return gradientsWithin((...xs) => op.composed(xs, fixed), again, dy);
        return op.backward(dy, again, fixed, saved[last] as tf.Tensor, saved.slice(last + 1));
      },
    };
  });
  return run(...inputs);
}

/**
 * Gradients of `fn` while another gradient is being computed: that one's tape is put back, since TensorFlow.js drops it at
 * the end of the inner gradient.
 */
export function gradientsWithin(
  fn: (...inputs: tf.Tensor[]) => tf.Tensor,
  inputs: tf.Tensor[],
  dy: tf.Tensor,
): tf.Tensor[] {
  const { state } = tf.engine();
  const { activeTape } = state;
  try {
    return tf.grads(fn)(inputs, dy);
  } finally {
    state.activeTape = activeTape;
  }
}
