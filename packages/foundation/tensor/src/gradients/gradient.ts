/**
 * What every gradient rule in this folder is made of.
 *
 * A rule says which tensors of the forward pass it needs and gives, for each differentiable input, a function that
 * turns the gradient of the output into the gradient of that input. Rules are plain values; `registerGradients` in
 * index.ts enters them into TensorFlow.js.
 *
 * Three conditions hold for all of them. A rule is built of differentiable ops, so that gradients of gradients work. It
 * never reads a value, so it can run inside a trace. It returns float32 in the shape of the input, which is what the
 * tape of TensorFlow.js insists on, whatever the dtype of the input.
 */
import * as tf from '@tensorflow/tfjs-core';

/** Tensors kept from the forward pass: first the inputs, in the order asked for, then the outputs. */
export type Saved = [tf.Tensor, tf.Tensor, tf.Tensor, tf.Tensor, tf.Tensor];

/** Gradient of each input, computed only when asked for. */
export type InputGradients = Record<string, () => tf.Tensor>;

/** Which tensors of the forward pass a rule needs later. */
export interface Save {
  /** Names of inputs. */
  readonly inputs?: readonly string[];
  /** Positions of outputs. Give the first `n` as `n` times `true`. */
  readonly outputs?: readonly boolean[];
  /** Every input of a kernel that takes a list. */
  readonly all?: boolean;
}

/**
 * One rule for a kernel with one output.
 *
 * @param kernelName the kernel's name in the registry of TensorFlow.js
 * @param save what the rule needs of the forward pass
 * @param rule from the output's gradient, the saved tensors and the kernel's attributes to the inputs' gradients
 */
export function gradient<Attributes = Record<string, never>>(
  kernelName: string,
  save: Save,
  rule: (dy: tf.Tensor, saved: Saved, attributes: Attributes) => InputGradients,
): tf.GradConfig {
  return {
    kernelName,
    inputsToSave: [...(save.inputs ?? [])],
    outputsToSave: [...(save.outputs ?? [])],
    saveAllInputs: save.all ?? false,
    gradFunc: (dy, saved, attributes) =>
      ownedResults(rule(dy as tf.Tensor, saved as Saved, attributes as unknown as Attributes), dy),
  };
}

/**
 * Copies a result that is dy itself. The tape disposes a gradient once it has added another one to it, and dy may by
 * then stand for the gradient of a second tensor.
 */
function ownedResults(gradients: InputGradients, dy: tf.Tensor | tf.Tensor[]): InputGradients {
  const given = Array.isArray(dy) ? dy : [dy];
  return Object.fromEntries(
    Object.entries(gradients).map(([name, compute]) => [
      name,
      (): tf.Tensor => {
        const result = compute();
        return given.includes(result) ? tf.clone(result) : result;
      },
    ]),
  );
}

/** One rule for a kernel with a list of outputs: the same as {@link gradient}, with a list of output gradients. */
export function gradientOfList<Attributes>(
  kernelName: string,
  save: Save,
  rule: (dys: tf.Tensor[], saved: Saved, attributes: Attributes) => InputGradients,
): tf.GradConfig {
  // The tape unwraps a list of one.
  return gradient<Attributes>(kernelName, save, (dy, saved, attributes) =>
    rule(Array.isArray(dy) ? (dy as tf.Tensor[]) : [dy], saved, attributes),
  );
}

/** Zeros in float32, made on the device. `tf.zeros` would build them on the host and upload them. */
export function zeros(shape: readonly number[]): tf.Tensor {
  return tf.fill([...shape], 0);
}

/** The tensor in float32; itself when it already is. */
export function float(x: tf.Tensor): tf.Tensor {
  return x.dtype === 'float32' ? x : tf.cast(x, 'float32');
}

/**
 * Undoes broadcasting: sums `grad` over the axes along which an operand of shape `shape` was repeated.
 *
 * Shapes: grad [...out] -> [...shape].
 */
export function unbroadcast(grad: tf.Tensor, shape: readonly number[]): tf.Tensor {
  const lead = grad.rank - shape.length;
  const axes = grad.shape.flatMap((size, axis) =>
    axis < lead || (shape[axis - lead] === 1 && size !== 1) ? [axis] : [],
  );
  const summed = axes.length > 0 ? tf.sum(grad, axes) : grad;
  return tf.util.arraysEqual(summed.shape, [...shape]) ? summed : tf.reshape(summed, [...shape]);
}

/**
 * The forward pass's output where it can be used, a recomputation where it cannot.
 *
 * The tape links a saved *output* to its input only after the copy was recorded, so a gradient of a gradient would
 * silently treat it as a constant. While an outer tape is recording, the output is therefore computed again.
 */
export function outputOr(saved: tf.Tensor, recompute: () => tf.Tensor): tf.Tensor {
  return recordingOuterTape() ? recompute() : saved;
}

/** Whether a gradient is being taken of what runs now, that is, whether this backward pass must itself be differentiable. */
export function recordingOuterTape(): boolean {
  const { gradientDepth, kernelDepth } = tf.engine().state;
  return gradientDepth > 0 && kernelDepth === 0;
}

/** An axis or list of axes as non-negative numbers; all axes when absent. */
export function axesOf(axis: number | readonly number[] | null | undefined, rank: number): number[] {
  if (axis === null || axis === undefined) return Array.from({ length: rank }, (_, i) => i);
  return (typeof axis === 'number' ? [axis] : [...axis]).map((a) => (a < 0 ? a + rank : a));
}

/** The shape with size 1 along `axes`: what a reduction with `keepDims` returns. */
export function keptShape(shape: readonly number[], axes: readonly number[]): number[] {
  return shape.map((size, axis) => (axes.includes(axis) ? 1 : size));
}
