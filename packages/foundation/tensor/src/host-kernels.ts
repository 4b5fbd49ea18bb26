/**
 * Completes a backend that other people wrote: kernels of the plain CPU backend that it lacks, or gets wrong for some
 * calls, run on the host. Right for rare ops (strings, ragged tensors, image transforms); what is hot deserves a kernel of
 * the backend's own.
 */
import * as tf from '@tensorflow/tfjs-core';

/** Arguments of a kernel, as TensorFlow.js passes them. */
type KernelCall = Parameters<tf.KernelFunc>[0];

/** See {@link registerHostKernels}. */
export interface HostKernelOptions {
  /** For kernels that the backend has, by name: the calls that go to the host all the same. */
  readonly instead?: Readonly<Record<string, (call: KernelCall) => boolean>>;
  /** Told about each call that the host computes, so that a hot path cannot hide one. */
  readonly onCall?: (kernelName: string) => void;
}

/**
 * Registers the CPU backend's kernels for a backend that lacks them. Inputs are read, the kernel runs on a private CPU
 * backend, results are written back.
 *
 * @param backendName a backend with `readSync` and `write`, whose own kernels are registered
 * @returns the names of the kernels that the backend lacks, sorted
 */
export async function registerHostKernels(backendName: string, options: HostKernelOptions = {}): Promise<string[]> {
  // Loaded with the engine that wants it, since the CPU backend weighs as much as the core.
  const { registerComposedKernels } = await import('./kernels/index.ts');
  const { hostKernel } = await import('./kernels/hostBridge.ts');
  registerComposedKernels('cpu');
  const counted = (kernelName: string): tf.KernelFunc => {
    const kernel = hostKernel(kernelName);
    return (call) => {
      options.onCall?.(kernelName);
      return kernel(call);
    };
  };
  const lacking: string[] = [];
  for (const { kernelName } of tf.getKernelsForBackend('cpu')) {
    // The random kernels have a registration of their own.
    if (kernelName.startsWith('Philox')) continue;
    if ((tf.getKernel(kernelName, backendName) as tf.KernelConfig | undefined) != null) continue;
    tf.registerKernel({ kernelName, backendName, kernelFunc: counted(kernelName) });
    lacking.push(kernelName);
  }
  for (const [kernelName, isForHost] of Object.entries(options.instead ?? {})) {
    const own = tf.getKernel(kernelName, backendName);
    const onHost = counted(kernelName);
    tf.unregisterKernel(kernelName, backendName);
    tf.registerKernel({ ...own, kernelFunc: (call) => (isForHost(call) ? onHost(call) : own.kernelFunc(call)) });
  }
  return lacking.sort();
}
