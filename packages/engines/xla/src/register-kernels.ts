/** Registers every kernel for a backend: those with a lowering, and the rest of TensorFlow.js's on the host. */
import { tf } from '@tesserae/tensor';
import type { XlaBackend } from './backend.ts';
import { hostKernel } from './host-kernel.ts';
import { KernelCall } from './lowering/kernel.ts';
import type { Lowered, Lowering } from './lowering/kernel.ts';
import { lowerings } from './lowering/index.ts';
import { Node } from './graph/node.ts';

/** Registers the kernels once for each backend name. */
export function registerKernels(backendName: string): void {
  if (tf.getKernel('Identity', backendName) != null) return;
  for (const [kernelName, lowering] of Object.entries(lowerings)) {
    tf.registerKernel({ kernelName, backendName, kernelFunc: recording(kernelName, lowering) });
  }
  for (const { kernelName } of tf.getKernelsForBackend('cpu')) {
    if (tf.getKernel(kernelName, backendName) == null) {
      tf.registerKernel({ kernelName, backendName, kernelFunc: hostKernel(kernelName) });
    }
  }
}

/** Kernels that only pass data on: they take strings too. */
const sharing = new Set(['Identity', 'Reshape', 'ExpandDims']);

function recording(kernelName: string, lowering: Lowering): tf.KernelFunc {
  const onHost = hostKernel(kernelName);
  return (call) => {
    const { inputs, attrs } = call;
    // Strings live on the host, and so do the kernels that move or compare them.
    const strings = Object.values(inputs).some((info) => (info as tf.TensorInfo | undefined)?.dtype === 'string');
    if (strings && !sharing.has(kernelName)) return onHost(call);
    const device = call.backend as XlaBackend;
    return outputs(device, lowering(new KernelCall(device, inputs, attrs)));
  };
}

function outputs(backend: XlaBackend, lowered: Lowered): tf.TensorInfo | tf.TensorInfo[] {
  if (lowered instanceof Node) return backend.output(lowered);
  if ('tensors' in lowered) return lowered.tensors;
  return lowered.map((node) => backend.output(node));
}
