/**
 * The three random kernels for engines whose memory the host reads synchronously, such as `cpu` and `wasm`.
 *
 * Engines with a device of their own register kernels of the same names; philox.ts specifies every bit.
 */
import * as tf from '@tensorflow/tfjs-core';
import { foldStream, philoxBits, philoxBlock, philoxUniform } from './philox.ts';

/** Attributes of `PhiloxBits` and `PhiloxUniform`. */
export interface PhiloxAttributes {
  readonly shape: number[];
  readonly stream: number;
}

interface HostBackend extends tf.KernelBackend {
  readSync(dataId: object): Int32Array;
}

interface Call {
  inputs: tf.NamedTensorInfoMap;
  backend: unknown;
  attrs?: tf.NamedAttrMap;
}

function words(call: Call, input: string): Int32Array {
  const info = call.inputs[input] as tf.TensorInfo;
  return (call.backend as HostBackend).readSync(info.dataId);
}

function output(call: Call, values: Int32Array | Float32Array, shape: number[], dtype: tf.DataType): tf.TensorInfo {
  return { dataId: (call.backend as HostBackend).write(values, shape, dtype), shape, dtype };
}

/** Registers `PhiloxBits`, `PhiloxUniform` and `PhiloxFold` for a backend with `readSync` and `write`; once. */
export function registerRandomKernels(backendName: string): void {
  if (tf.getKernel('PhiloxBits', backendName) != null) return;
  tf.registerKernel({
    kernelName: 'PhiloxBits',
    backendName,
    kernelFunc(call) {
      const { shape, stream } = call.attrs as unknown as PhiloxAttributes;
      const key = words(call, 'key');
      const size = tf.util.sizeFromShape(shape);
      return output(call, philoxBits(key[0] as number, key[1] as number, stream, size), shape, 'int32');
    },
  });
  tf.registerKernel({
    kernelName: 'PhiloxUniform',
    backendName,
    kernelFunc(call) {
      const { shape, stream } = call.attrs as unknown as PhiloxAttributes;
      const key = words(call, 'key');
      const size = tf.util.sizeFromShape(shape);
      return output(call, philoxUniform(key[0] as number, key[1] as number, stream, size), shape, 'float32');
    },
  });
  tf.registerKernel({
    kernelName: 'PhiloxFold',
    backendName,
    kernelFunc(call) {
      const stream = (call.attrs as { stream?: number } | undefined)?.stream ?? foldStream;
      const key = words(call, 'key');
      const data = words(call, 'data');
      const block = new Int32Array(4);
      philoxBlock(data[0] as number, 0, 0, stream, key[0] as number, key[1] as number, block, 0);
      return output(call, block.slice(0, 2), [2], 'int32');
    },
  });
}
