/**
 * What a TensorFlow engine is made of: TensorFlow's Python wheel, whose shared libraries export its C API, and the npm
 * packages whose sources make the addon between it and Node. Everything is pinned.
 *
 * The addon of `@tensorflow/tfjs-node` 4.22 (June 2022's libtensorflow 2.9.1 and CUDA 11.2 in its released form) compiles
 * unchanged against TensorFlow 2.21. The GPU wheel finds NVIDIA's libraries beside itself, at `../nvidia/<part>/lib`, as
 * in `site-packages`; the list is its extra `and-cuda`.
 */
import { CUDA12_WHEELS, wheelPin, type NpmPin, type WheelPin } from '@tesserae/downloads';

/** Where a build computes. */
export type TensorflowDevice = 'cpu' | 'gpu';

/** The recipe of one build. */
export interface TensorflowBuild {
  readonly device: TensorflowDevice;
  /** TensorFlow's version. */
  readonly version: string;
  readonly wheels: readonly WheelPin[];
  /** The package with the addon's sources and the kernels' JavaScript. */
  readonly addon: NpmPin;
  /** Node's headers for addons that use only Node-API, as this one does. */
  readonly headers: NpmPin;
}

const headers: NpmPin = {
  name: 'node-api-headers',
  version: '1.9.0',
  sha256: '6cbfac49542194ae2c8f1dee5fa2dc00d66bec9cbf3b59e3a4e5f16d14eb0d19',
};

/** The builds of this release, for Linux on x86-64 with glibc 2.28 or newer. */
// prettier-ignore
export const TENSORFLOW_BUILDS: Readonly<Record<TensorflowDevice, TensorflowBuild>> = {
  cpu: {
    device: 'cpu',
    version: '2.21.0',
    wheels: [
      wheelPin('tensorflow-cpu', '2.21.0', 'cp311-cp311-manylinux_2_27_x86_64.whl', 273829956, '2b847d217b02ee7731ed91431daf3250daa0196c3c94614d23be27232e6e5b6c'),
    ],
    addon: {
      name: '@tensorflow/tfjs-node',
      version: '4.22.0',
      sha256: 'd38a448a705efc6e655a080f896b3af646ae39dffbfe9c90b06cb9fc3a2b9358',
    },
    headers,
  },
  gpu: {
    device: 'gpu',
    version: '2.21.0',
    wheels: [
      wheelPin('tensorflow', '2.21.0', 'cp311-cp311-manylinux_2_27_x86_64.whl', 572440367, '9056fbc9ba04235810b71ae6cbd958a196e8804fb53bbcffbf3e23b56155f124'),
      ...CUDA12_WHEELS,
      wheelPin('nvidia-curand-cu12', '10.3.10.19', 'py3-none-manylinux_2_27_x86_64.whl', 68295626, '49b274db4780d421bd2ccd362e1415c13887c53c214f0d4b761752b8f9f6aa1e'),
    ],
    addon: {
      name: '@tensorflow/tfjs-node-gpu',
      version: '4.22.0',
      sha256: 'afd5599ee1662e732c00a0ad1f52a3d001bdc118a1f44bd592a0a0ebf2daa4c7',
    },
    headers,
  },
};

/** The members of the wheels that the addon needs, to be compiled and to run. */
export function isNeeded(member: string): boolean {
  return (
    /^tensorflow\/libtensorflow_(cc|framework)\.so\.2$/.test(member) ||
    /^tensorflow\/include\/(tensorflow\/c|xla\/tsl\/c)\/.*\.h$/.test(member) ||
    /^tensorflow\/include\/(tensorflow\/core|tsl)\/platform\/ctstring(_internal)?\.h$/.test(member) ||
    /^nvidia\/[^/]+\/lib\/[^/]+\.so(\.\d+)*$/.test(member) ||
    /^nvidia\/cuda_nvcc\/(bin\/(ptxas|nvlink|fatbinary)|nvvm\/libdevice\/[^/]+\.bc)$/.test(member) ||
    /\.dist-info\/(.*\/)?(LICENSE|License|NOTICE|THIRD_PARTY)[^/]*$/.test(member)
  );
}
