/** The plain JavaScript engine of TensorFlow.js: slow, exact, everywhere. The reference that other engines are held to. */
import * as tf from '@tensorflow/tfjs-core';
import type { EngineProbe, EngineProvider } from '../engine-provider.ts';

/** Provider of the engine `cpu`; built into `useEngine`. */
export const cpu: EngineProvider = {
  family: 'cpu',
  names: ['cpu'],
  probe(): Promise<EngineProbe> {
    return Promise.resolve({ available: true, detail: 'plain JavaScript, one thread' });
  },
  async start(): Promise<tf.KernelBackend> {
    await import('@tensorflow/tfjs-backend-cpu');
    await tf.setBackend('cpu');
    const backend = tf.backend();
    // The backend would print a banner recommending tfjs-node at its first write.
    if ('firstUse' in backend) backend.firstUse = false;
    return backend;
  },
};
