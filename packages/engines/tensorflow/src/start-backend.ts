/** From a build on the disk to a backend of TensorFlow.js with all kernels. */
import { createRequire } from 'node:module';
import type { tf } from '@tesserae/tensor';
import type { InstalledBuild } from './install/installed-builds.ts';
import { loadTfjsNode, type Binding } from './load-tfjs-node.ts';

/** A backend that computes. */
export interface StartedBackend {
  readonly backend: tf.KernelBackend;
  /** The version that TensorFlow's library says. */
  readonly version: string;
  readonly onGpu: boolean;
}

/** Whether the kernels are registered, which a process can do once. */
let registered = false;

/**
 * Loads TensorFlow and registers the kernels of tfjs-node for the backend name `tensorflow`.
 *
 * @param build where the addon and the package's JavaScript lie
 * @throws Error if the libraries do not load, with what the loader said
 */
export function startBackend(build: Pick<InstalledBuild, 'package' | 'addon' | 'device'>): StartedBackend {
  // TensorFlow reads it once, when its library is loaded; by default it reports the processor's features at each start.
  process.env['TF_CPP_MIN_LOG_LEVEL'] ??= build.device === 'gpu' ? '1' : '2';
  let binding: Binding;
  try {
    binding = createRequire(import.meta.url)(build.addon) as Binding;
  } catch (cause) {
    throw new Error(
      `tensorflow: ${build.addon} does not load: ${cause instanceof Error ? cause.message.split('\n')[0] : String(cause)}. ` +
        `Run \`npx tesserae engine install tensorflow${build.device === 'gpu' ? ' --gpu' : ''}\` after removing its folder.`,
      { cause },
    );
  }
  const library = loadTfjsNode(build.package);
  if (!registered) library.registerKernels();
  registered = true;
  const name = build.device === 'gpu' ? '@tensorflow/tfjs-node-gpu' : '@tensorflow/tfjs-node';
  return {
    backend: new library.NodeJSKernelBackend(binding, name),
    version: binding.TF_Version ?? 'unknown',
    onGpu: binding.isUsingGpuDevice(),
  };
}
