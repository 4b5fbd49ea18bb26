/**
 * Kernels that are computed on the host by TensorFlow.js's plain CPU backend: those whose output shape depends on values,
 * and rare ones that nothing hot uses. They are counted, so that a slow one does not hide.
 */
import { isTracing, tf } from '@tesserae/tensor';
import type { XlaBackend } from './backend.ts';

interface HostBackend extends tf.KernelBackend {
  readSync(dataId: object): tf.BackendValues;
}

/** The function of a kernel that runs on the host. */
export function hostKernel(kernelName: string): tf.KernelFunc {
  return ({ inputs, attrs, backend }) => {
    const device = backend as XlaBackend;
    if (isTracing()) {
      throw new Error(
        `xla: '${kernelName}' is computed on the host, so a compiled function cannot contain it. Call it outside of compile, or use ops with static shapes.`,
      );
    }
    const host = tf.findBackend('cpu') as HostBackend;
    const kernel = tf.getKernel(kernelName, 'cpu');
    device.hostFallbacks.set(kernelName, (device.hostFallbacks.get(kernelName) ?? 0) + 1);
    const copies: tf.TensorInfo[] = [];
    const copyOf = ({ dataId, shape, dtype }: tf.TensorInfo): tf.TensorInfo => {
      const copy = { dataId: host.write(device.readSync(dataId), shape, dtype), shape, dtype };
      copies.push(copy);
      return copy;
    };
    // Some kernels have lists of tensors among their inputs.
    const moved = Object.entries(inputs as Record<string, tf.TensorInfo | tf.TensorInfo[] | undefined>).map(
      ([name, info]) => [name, Array.isArray(info) ? info.map(copyOf) : info && copyOf(info)] as const,
    );
    const hostInputs = Array.isArray(inputs) ? moved.map(([, info]) => info) : Object.fromEntries(moved);
    const results = kernel.kernelFunc({
      inputs: hostInputs as unknown as tf.NamedTensorInfoMap,
      backend: host,
      attrs: attrs ?? {},
    });
    const back = (info: tf.TensorInfo): tf.TensorInfo => {
      const values = host.readSync(info.dataId);
      return { dataId: device.write(values, info.shape, info.dtype), shape: info.shape, dtype: info.dtype };
    };
    const outputs = Array.isArray(results) ? results.map(back) : back(results);
    for (const { dataId } of Array.isArray(results) ? results : [results]) host.disposeData(dataId);
    for (const { dataId } of copies) host.disposeData(dataId);
    return outputs;
  };
}
