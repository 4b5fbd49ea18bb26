/**
 * `cumsum` and `cumprod` along axes counted from the end: TensorFlow.js 4.22 passes a negative axis on, and its kernels
 * permute by it as it is, so the result is silently wrong. This puts the axis right in front of those kernels.
 */
import * as tf from '@tensorflow/tfjs-core';

const repaired = new Set<string>();

/** Wraps `Cumsum` and `Cumprod` of a TensorFlow.js backend; once. */
export function repairCumulativeKernels(backendName: string): void {
  if (repaired.has(backendName)) return;
  repaired.add(backendName);
  for (const kernelName of ['Cumsum', 'Cumprod']) {
    const original = tf.getKernel(kernelName, backendName);
    tf.unregisterKernel(kernelName, backendName);
    tf.registerKernel({
      ...original,
      kernelFunc(call) {
        const { axis } = call.attrs as { axis: number };
        const { x } = call.inputs as { x: tf.TensorInfo };
        const attrs = { ...call.attrs, axis: axis < 0 ? axis + x.shape.length : axis };
        return original.kernelFunc({ ...call, attrs });
      },
    });
  }
}
