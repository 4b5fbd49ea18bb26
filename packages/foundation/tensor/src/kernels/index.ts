/**
 * Kernels that make every op of TensorFlow.js work, and training fast enough, on the backends that come with it.
 */
import '@tensorflow/tfjs-backend-cpu';
import * as tf from '@tensorflow/tfjs-core';
import { repairCpu } from './cpuRepairs.ts';
import type { WasmBackend } from './wasmBackend.ts';
import { registerWasmKernels } from './wasmKernels.ts';

const done = new Set<string>();

/**
 * Completes a backend of TensorFlow.js: kernels that it lacks, and repairs where one is wrong or needlessly slow. Call it
 * after the backend has started; calling it again does nothing, and so does calling it for another backend.
 *
 * @param backendName `'wasm'` or `'cpu'`
 * @throws when the backend has not started
 */
export function registerComposedKernels(backendName: string): void {
  if (!done.has('cpu')) {
    done.add('cpu');
    repairCpu();
  }
  if (backendName !== 'wasm' || done.has('wasm')) return;
  const backend = tf.engine().registry['wasm'];
  if (backend === undefined) {
    throw new Error(
      "registerComposedKernels: expected a started backend 'wasm', received none. Call tf.setBackend first.",
    );
  }
  done.add('wasm');
  registerWasmKernels(backend as unknown as WasmBackend);
}
