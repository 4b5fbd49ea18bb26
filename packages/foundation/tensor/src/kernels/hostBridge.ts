/**
 * Runs kernels of the plain CPU backend for another backend: inputs are read, the kernel runs on a private CPU backend,
 * results are written back. Slow, and it waits for the device, but every op of TensorFlow.js then works; what training
 * needs has kernels of its own.
 */
import { MathBackendCPU } from '@tensorflow/tfjs-backend-cpu';
import * as tf from '@tensorflow/tfjs-core';

let host: MathBackendCPU | undefined;

/** The private CPU backend. It is not the registered one, so no tensor of a user ever lives on it. */
function hostBackend(): MathBackendCPU {
  if (host === undefined) {
    host = new MathBackendCPU();
    // It would print a banner recommending tfjs-node at its first write.
    Reflect.set(host, 'firstUse', false);
  }
  return host;
}

type Inputs = Record<string, unknown>;

const isTensor = (x: unknown): x is tf.TensorInfo => typeof x === 'object' && x !== null && 'dataId' in x;

/**
 * A kernel function that runs the CPU backend's kernel of that name on the host.
 *
 * @throws when the CPU backend has no such kernel
 */
export function hostKernel(kernelName: string): tf.KernelFunc {
  const kernel = tf.getKernel(kernelName, 'cpu');
  if (kernel === undefined) throw new Error(`internal: the CPU backend has no kernel named ${kernelName}.`);
  return ({ inputs, attrs, backend }) => {
    const cpu = hostBackend();
    const device = backend as tf.KernelBackend;
    const lent: tf.DataId[] = [];
    const lend = (x: tf.TensorInfo): tf.TensorInfo => {
      const info = copyToHost(cpu, x, device.readSync(x.dataId) as tf.backend_util.BackendValues);
      lent.push(info.dataId);
      return info;
    };
    const lendAll = (x: unknown): unknown => (isTensor(x) ? lend(x) : Array.isArray(x) ? x.map(lendAll) : x);
    const hostInputs = Array.isArray(inputs)
      ? lendAll(inputs)
      : Object.fromEntries(Object.entries(inputs as Inputs).map(([name, x]) => [name, lendAll(x)]));
    const results = kernel.kernelFunc({
      inputs: hostInputs as tf.NamedTensorInfoMap,
      attrs: attrs ?? {},
      backend: cpu,
    });
    const list = Array.isArray(results) ? results : [results];
    const returned = list.map((x): tf.TensorInfo => {
      const values = cpu.readSync(x.dataId);
      // A copy, since a result may share the array of an input.
      const dataId = device.write(values.slice() as tf.backend_util.BackendValues, x.shape, x.dtype);
      return { dataId, shape: x.shape, dtype: x.dtype };
    });
    // A result may also share the id of an input; disposing counts references.
    for (const x of list) cpu.disposeData(x.dataId);
    for (const dataId of lent) cpu.disposeData(dataId);
    return Array.isArray(results) ? returned : (returned[0] as tf.TensorInfo);
  };
}

function copyToHost(cpu: MathBackendCPU, x: tf.TensorInfo, values: tf.backend_util.BackendValues): tf.TensorInfo {
  if (x.dtype !== 'complex64') return cpu.makeTensorInfo(x.shape, x.dtype, values);
  const parts = tf.backend_util.splitRealAndImagArrays(values as Float32Array);
  const real = cpu.makeTensorInfo(x.shape, 'float32', parts.real);
  const imag = cpu.makeTensorInfo(x.shape, 'float32', parts.imag);
  const complex = tf.getKernel('Complex', 'cpu').kernelFunc({ inputs: { real, imag }, attrs: {}, backend: cpu });
  cpu.disposeData(real.dataId);
  cpu.disposeData(imag.dataId);
  return complex as tf.TensorInfo;
}

/** Number of data blocks the private CPU backend holds; zero between kernels, unless one leaks. */
export function hostBlocks(): number {
  return host?.numDataIds() ?? 0;
}
