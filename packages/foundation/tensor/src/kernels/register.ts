/**
 * How kernels of this folder are entered into the registry of TensorFlow.js: over those that are there, without its
 * warning, keeping the replaced one at hand for the cases where it is the better one.
 */
import * as tf from '@tensorflow/tfjs-core';
import type { KernelArgs } from './wasmBackend.ts';

/** A kernel function of this folder. */
export type Kernel = (args: KernelArgs) => tf.TensorInfo | tf.TensorInfo[];

/**
 * Enters a kernel, replacing the one that is there.
 *
 * @param setup run with the backend when it starts again after `tf.engine().reset()`
 */
export function replaceKernel(
  backendName: string,
  kernelName: string,
  kernel: Kernel,
  setup?: (backend: object) => void,
): void {
  const replaced = tf.getKernel(kernelName, backendName) as tf.KernelConfig | undefined;
  if (replaced !== undefined) tf.unregisterKernel(kernelName, backendName);
  // The set-up of the replaced kernel stays, since its function may still be called.
  const setupFunc = setup ?? replaced?.setupFunc;
  tf.registerKernel({
    kernelName,
    backendName,
    kernelFunc: kernel as unknown as tf.KernelFunc,
    ...(setupFunc === undefined ? {} : { setupFunc }),
    ...(replaced?.disposeFunc === undefined ? {} : { disposeFunc: replaced.disposeFunc }),
  });
}

/** The kernel that is there now, to be called by one that replaces it. */
export function presentKernel(backendName: string, kernelName: string): Kernel {
  const config = tf.getKernel(kernelName, backendName);
  if (config === undefined) throw new Error(`internal: backend ${backendName} has no kernel named ${kernelName}.`);
  return config.kernelFunc as unknown as Kernel;
}

/**
 * A kernel made of ops. The ops run on the same backend, inside a scope of their own that leaves only the result; the
 * tape does not see them, since TensorFlow.js records no ops while a kernel runs.
 */
export function composed(
  compute: (inputs: Record<string, tf.Tensor>, attrs: Record<string, unknown>) => tf.Tensor | tf.Tensor[],
): Kernel {
  return ({ inputs, attrs }) => tf.tidy(() => compute(inputs as unknown as Record<string, tf.Tensor>, attrs));
}
