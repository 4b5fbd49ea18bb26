/** The TensorFlow engine as `useEngine` sees it. */
import { EngineUnavailableError, registerRandomKernels } from '@tesserae/tensor';
import type { EngineProbe, EngineProvider, tf } from '@tesserae/tensor';
import { locateBuild } from './locate-build.ts';
import { repairKernels } from './repair-kernels.ts';
import { startBackend } from './start-backend.ts';

/** The name that tfjs-node's kernels are written for: they ask for the backend of this name. */
const NAME = 'tensorflow';

const INSTALL = 'Run `npx tesserae engine install tensorflow`; it needs g++.';

async function probe(): Promise<EngineProbe> {
  try {
    const build = await locateBuild();
    if (build === undefined) {
      return { available: false, reason: 'no TensorFlow for Node is installed.', remedy: INSTALL };
    }
    return { available: true, detail: `${build.version} on the ${build.device.toUpperCase()}, ${build.source}` };
  } catch (error) {
    return { available: false, reason: error instanceof Error ? error.message : String(error), remedy: INSTALL };
  }
}

/** The backend of the engine `tensorflow`: tfjs-node's, and what it left to the host. */
export interface TensorflowBackend extends tf.KernelBackend {
  /** Kernel calls that the host computed, by kernel, because tfjs-node cannot. */
  readonly hostFallbacks: ReadonlyMap<string, number>;
}

async function start(name: string): Promise<TensorflowBackend> {
  if (name !== NAME) throw new Error(`tensorflow: engine '${name}' is unknown; known is ${NAME}.`);
  const build = await locateBuild();
  if (build === undefined) throw new Error(`tensorflow: no TensorFlow for Node is installed. ${INSTALL}`);
  const { backend, onGpu } = startBackend(build);
  if (build.device === 'gpu' && !onGpu) {
    throw new EngineUnavailableError(
      NAME,
      'the GPU build is installed, but TensorFlow sees no GPU (it says why above); the driver must support CUDA 12.',
      'To compute on the CPU: `npx tesserae engine install tensorflow`, and set TESSERAE_TENSORFLOW=cpu.',
    );
  }
  const hostFallbacks = new Map<string, number>();
  await repairKernels(NAME, (kernel) => hostFallbacks.set(kernel, (hostFallbacks.get(kernel) ?? 0) + 1));
  registerRandomKernels(NAME);
  return Object.assign(backend, { hostFallbacks });
}

/**
 * The provider of the engine `tensorflow`: `await useEngine('tensorflow', [tensorflow])`.
 *
 * Its native part is built on request, `npx tesserae engine install tensorflow`, or comes with `@tensorflow/tfjs-node`.
 */
export const tensorflow: EngineProvider = { family: 'tensorflow', names: [NAME], probe, start };
