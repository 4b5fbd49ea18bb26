/** Registers every kernel for a backend: those with a lowering, and the rest of TensorFlow.js's on the host. */
import { currentPrecision, tf } from '@tesserae/tensor';
import type { XlaBackend } from './backend.ts';
import { hostKernel } from './host-kernel.ts';
import { halfRule, rounded } from './lowering/half-activations.ts';
import { KernelCall } from './lowering/kernel.ts';
import type { Lowering } from './lowering/kernel.ts';
import { lowerings } from './lowering/index.ts';
import { splitKernel } from './lowering/split-kernels.ts';
import { Node } from './graph/node.ts';
import { Origin, markOrigin } from './origin.ts';

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

/** Elements: 64 MiB of float32. */
const largeValue = 2 ** 24;

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
    const half =
      device.trace !== undefined && currentPrecision() === 'bfloat16'
        ? halfRule(kernelName, storedNodes(device, inputs))
        : undefined;
    const recorded = new KernelCall(device, inputs, attrs, half?.narrow);
    const { deviceMesh } = device;
    const split = deviceMesh && splitKernel(kernelName, lowering, recorded, deviceMesh);
    const lowered = split ?? lowering(recorded);
    if ('tensors' in lowered) return lowered.tensors;
    let nodes = lowered instanceof Node ? [lowered] : lowered;
    if (half?.round === true) nodes = nodes.map(rounded);
    // A call stack costs little beside a value of that size, and may explain why there is no room for it.
    const large = nodes.some(({ size }) => size >= largeValue);
    const origin = new Origin(kernelName, large || device.locating || device.trace?.numerics !== undefined);
    markOrigin(nodes, origin);
    device.trace?.numerics?.add(origin, takenNodes(device, inputs), nodes);
    const infos = nodes.map((node) => device.output(node));
    return lowered instanceof Node ? (infos[0] as tf.TensorInfo) : infos;
  };
}

/** The inputs' own nodes, whatever shape their tensors have. */
function takenNodes(device: XlaBackend, inputs: tf.NamedTensorInfoMap): Node[] {
  const infos = (Object.values(inputs) as (tf.TensorInfo | tf.TensorInfo[] | undefined)[]).flat();
  return infos.flatMap((info) => (info == null ? [] : (device.trace?.nodeOf(device.dataOf(info.dataId)) ?? [])));
}

function storedNodes(device: XlaBackend, inputs: tf.NamedTensorInfoMap): Record<string, Node> {
  const nodes: Record<string, Node> = {};
  for (const [name, info] of Object.entries(inputs) as [string, tf.TensorInfo | undefined][]) {
    if (info != null) nodes[name] = device.storedNodeOf(info);
  }
  return nodes;
}
