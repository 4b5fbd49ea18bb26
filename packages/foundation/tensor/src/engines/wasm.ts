/**
 * The WebAssembly engine of TensorFlow.js (XNNPACK kernels, SIMD), with the binaries of its own npm package.
 *
 * In Node the binaries are found through the package's resolved path; a browser gets them from where its bundler put
 * them, or from `TESSERAE_WASM_PATH` set on `globalThis`. Threads need a cross-origin isolated page; TensorFlow.js
 * turns them off in Node, so there it computes on one.
 */
import * as tf from '@tensorflow/tfjs-core';
import type { EngineProbe, EngineProvider } from '../engine-provider.ts';

/** Folder of the .wasm files in Node, with a trailing slash; undefined elsewhere, and where a bundler moved them. */
function binaryFolder(): string | undefined {
  const override: unknown = Reflect.get(globalThis, 'TESSERAE_WASM_PATH');
  if (typeof override === 'string') return override;
  if (!tf.env().get('IS_NODE')) return undefined;
  // Not `import`: bundlers for the browser would look for these modules.
  const { createRequire } = process.getBuiltinModule('node:module');
  const { dirname, sep } = process.getBuiltinModule('node:path');
  try {
    return dirname(createRequire(import.meta.url).resolve('@tensorflow/tfjs-backend-wasm')) + sep;
  } catch {
    return undefined;
  }
}

/** Provider of the engine `wasm`; built into `useEngine`. */
export const wasm: EngineProvider = {
  family: 'wasm',
  names: ['wasm'],
  probe(): Promise<EngineProbe> {
    if (!('WebAssembly' in globalThis)) {
      return Promise.resolve({
        available: false,
        reason: 'this JavaScript runtime has no WebAssembly.',
        remedy: "Use the engine 'cpu'.",
      });
    }
    return Promise.resolve({ available: true, detail: 'WebAssembly (XNNPACK)' });
  },
  async start(): Promise<tf.KernelBackend> {
    const { setWasmPaths } = await import('@tensorflow/tfjs-backend-wasm');
    const folder = binaryFolder();
    if (folder !== undefined && tf.engine().registry['wasm'] === undefined) setWasmPaths(folder);
    if (!(await tf.setBackend('wasm'))) throw new Error('the WebAssembly binary could not be loaded.');
    return tf.backend();
  },
};
