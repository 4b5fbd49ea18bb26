/**
 * Arguments that a compiled function uses up (`compile(fn, { donate })`), as JAX's `donate_argnums`.
 *
 * The tensors are disposed by the call, on every engine, so that code which is wrong on one is wrong on all. What differs
 * from any disposed tensor: a later use says which function took it.
 */
import * as tf from '@tensorflow/tfjs-core';
import { flatten, leaves } from './tree.ts';

/** Thrown by any use of a tensor that was given to a compiled function for good. */
export class DonatedTensorError extends Error {
  override readonly name = 'DonatedTensorError';

  /** @param program name of the function that took it. */
  constructor(tensor: tf.TensorInfo, program: string) {
    super(
      `A ${tensor.dtype} tensor of shape [${tensor.shape.join(', ')}] is used after it was donated to the compiled function ` +
        `'${program}', which disposed it. Use what the function returned, pass it a tf.clone, or leave its argument out of 'donate'.`,
    );
  }
}

const takers = new WeakMap<tf.Tensor, string>();

/** The error for a tensor that was donated; undefined for any other. */
export function donationError(tensor: tf.Tensor): DonatedTensorError | undefined {
  const program = takers.get(tensor);
  return program === undefined ? undefined : new DonatedTensorError(tensor, program);
}

/**
 * The tensors in the arguments numbered `donate`.
 *
 * @throws DonatedTensorError for one that was donated before, TypeError for a variable.
 */
export function donatedLeaves(args: readonly unknown[], donate: readonly number[], program: string): tf.Tensor[] {
  return donate.flatMap((index) =>
    leaves(args[index]).map((leaf) => {
      const error = donationError(leaf);
      if (error !== undefined) throw error;
      if (!(leaf instanceof tf.Variable)) return leaf;
      throw new TypeError(
        `compile: argument ${index} of '${program}' is donated, but holds the variable '${leaf.name}'. A variable keeps its ` +
          'place; one that the function assigns is updated in place anyway.',
      );
    }),
  );
}

/** The arguments with clones in place of donated tensors, so that a result may be one of them. */
export function withClones<A extends unknown[]>(args: A, donate: readonly number[]): A {
  return args.map((arg, i) => {
    if (!donate.includes(i)) return arg;
    const { leaves: tensors, rebuild } = flatten(arg);
    return rebuild(tensors.map((tensor) => tf.clone(tensor)));
  }) as A;
}

/** Disposes donated tensors, and lets every later use throw. */
export function consume(tensors: readonly tf.Tensor[], program: string): void {
  for (const tensor of tensors) {
    if (takers.has(tensor)) continue; // given twice
    tensor.dispose();
    takers.set(tensor, program);
    const refuse = (): never => {
      throw new DonatedTensorError(tensor, program);
    };
    // Ops ask for `dataId`, methods call `throwIfDisposed`.
    Object.defineProperty(tensor, 'dataId', { get: refuse });
    Object.defineProperty(tensor, 'throwIfDisposed', { value: refuse });
  }
}
