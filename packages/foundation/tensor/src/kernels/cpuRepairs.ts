/**
 * Repairs of the plain CPU backend, which is also the reference for the others and the host that they fall back to.
 *
 * - tensorScatterUpdate writes into its input.
 * - unsortedSegmentSum makes a pass over its input for every segment.
 * - fft takes n² for lengths that are no power of two, and many small tensors for those that are.
 * - einsum is wrong where an operand has a label alone.
 * - matMul pairs the wrong matrices where batch axes are broadcast, unless one side has the last batch axes of the other.
 * - conv3d shifts the image where the stride is larger than the filter; see samePadding3d.ts.
 * - stridedSlice is wrong where an axis is dropped and another has a stride.
 */
import type { MathBackendCPU } from '@tensorflow/tfjs-backend-cpu';
import * as tf from '@tensorflow/tfjs-core';
import { stridedSliceInfo } from '../strided-slice.ts';
import { einsum } from './einsum.ts';
import { transformRows } from './fourier.ts';
import { presentKernel, replaceKernel, type Kernel } from './register.ts';
import { repairSamePadding3d } from './samePadding3d.ts';
import { stridedCopy } from './strided.ts';
import { sizeOf, type KernelArgs } from './wasmBackend.ts';

type Values = Float32Array | Int32Array | Uint8Array;

const cpuOf = (args: KernelArgs): MathBackendCPU => args.backend as unknown as MathBackendCPU;

const valuesOf = (cpu: MathBackendCPU, x: tf.TensorInfo): Values => cpu.readSync(x.dataId) as Values;

/** A zeroed array of the dtype. */
const zeros = (dtype: tf.DataType, size: number): Values =>
  tf.util.getTypedArrayFromDType(dtype as 'float32', size) as Values;

function tensorScatterUpdate(args: KernelArgs): tf.TensorInfo {
  const cpu = cpuOf(args);
  const { tensor, indices, updates } = args.inputs as Record<'tensor' | 'indices' | 'updates', tf.TensorInfo>;
  const { sliceRank, numUpdates, sliceSize, strides } = tf.scatter_util.calculateShapes(updates, indices, tensor.shape);
  const out = valuesOf(cpu, tensor).slice();
  const [at, from] = [valuesOf(cpu, indices), valuesOf(cpu, updates)];
  for (let i = 0; i < numUpdates; i++) {
    let row = 0;
    for (let d = 0; d < sliceRank; d++) {
      const index = at[i * sliceRank + d] as number;
      const size = tensor.shape[d] as number;
      if (index < 0 || index >= size) {
        throw new Error(
          `tensorScatterUpdate: expected index ${d} in [0, ${size}), received ${index}, for shape [${tensor.shape}].`,
        );
      }
      row += index * (strides[d] as number);
    }
    if (updates.shape.length === 0) out.fill(from[0] as number, row * sliceSize, (row + 1) * sliceSize);
    else out.set(from.subarray(i * sliceSize, (i + 1) * sliceSize), row * sliceSize);
  }
  return cpu.makeTensorInfo(tensor.shape, tensor.dtype, out);
}

function unsortedSegmentSum(args: KernelArgs): tf.TensorInfo {
  const cpu = cpuOf(args);
  const { x, segmentIds } = args.inputs as { x: tf.TensorInfo; segmentIds: tf.TensorInfo };
  const segments = args.attrs['numSegments'] as number;
  const rest = x.shape.slice(segmentIds.shape.length);
  const width = sizeOf(rest);
  const out = zeros(x.dtype, segments * width);
  const from = valuesOf(cpu, x);
  valuesOf(cpu, segmentIds).forEach((id: number, i: number) => {
    if (id < 0 || id >= segments) return;
    for (let c = 0; c < width; c++) (out[id * width + c] as number) += from[i * width + c] as number;
  });
  return cpu.makeTensorInfo([segments, ...rest], x.dtype, out);
}

const fourier =
  (inverse: boolean): Kernel =>
  (args) => {
    const cpu = cpuOf(args);
    const { input } = args.inputs as { input: tf.TensorInfo };
    const interleaved = (cpu.readSync(input.dataId) as Float32Array).slice();
    transformRows(interleaved, input.shape.at(-1) ?? 1, inverse);
    const split = tf.backend_util.splitRealAndImagArrays(interleaved);
    const real = cpu.makeTensorInfo(input.shape, 'float32', split.real);
    const imag = cpu.makeTensorInfo(input.shape, 'float32', split.imag);
    const complex = presentKernel('cpu', 'Complex');
    const out = complex({ inputs: { real, imag }, attrs: {}, backend: args.backend }) as tf.TensorInfo;
    cpu.disposeData(real.dataId);
    cpu.disposeData(imag.dataId);
    return out;
  };

const stridedSlice =
  (original: Kernel): Kernel =>
  (args) => {
    const { x } = args.inputs as { x: tf.TensorInfo };
    const a = args.attrs as unknown as tf.StridedSliceAttrs;
    if (!a.shrinkAxisMask || x.dtype === 'string' || x.dtype === 'complex64') return original(args);
    const info = stridedSliceInfo(x.shape, a);
    const cpu = cpuOf(args);
    const shape = tf.slice_util.computeOutShape(info.begin, info.end, info.strides);
    const out = zeros(x.dtype, sizeOf(shape));
    const own = tf.util.computeStrides([...x.shape, 1]);
    const base = info.begin.reduce((sum, at, axis) => sum + at * (own[axis] ?? 1), 0);
    const steps = info.strides.map((step, axis) => step * (own[axis] ?? 1));
    if (out.length > 0) stridedCopy(valuesOf(cpu, x), base, shape, steps, out);
    return cpu.makeTensorInfo(info.finalShape, x.dtype, out);
  };

/** Einsum of ops, on any backend. */
export const einsumKernel: Kernel = ({ inputs, attrs }) => {
  const tensors = Object.values(inputs) as tf.Tensor[];
  return tf.tidy(() => einsum(attrs['equation'] as string, tensors));
};

const batchMatMul =
  (original: Kernel): Kernel =>
  (args) => {
    const { a, b } = args.inputs as { a: tf.Tensor; b: tf.Tensor };
    const [batchA, batchB] = [a.shape.slice(0, -2), b.shape.slice(0, -2)];
    const ends = (long: number[], short: number[]): boolean =>
      sizeOf(short) === 1 || tf.util.arraysEqual(long.slice(long.length - short.length), short);
    if (ends(batchA, batchB) || ends(batchB, batchA)) return original(args);
    const batch = tf.broadcast_util.assertAndGetBroadcastShape(batchA, batchB);
    return tf.tidy(() => {
      const whole = (x: tf.Tensor): tf.Tensor => tf.broadcastTo(x, [...batch, ...x.shape.slice(-2)]);
      return tf.matMul(whole(a), whole(b), args.attrs['transposeA'] === true, args.attrs['transposeB'] === true);
    });
  };

/** Enters the repairs. */
export function repairCpu(): void {
  replaceKernel('cpu', 'TensorScatterUpdate', tensorScatterUpdate);
  replaceKernel('cpu', 'UnsortedSegmentSum', unsortedSegmentSum);
  replaceKernel('cpu', 'FFT', fourier(false));
  replaceKernel('cpu', 'IFFT', fourier(true));
  replaceKernel('cpu', 'Einsum', einsumKernel);
  replaceKernel('cpu', 'BatchMatMul', batchMatMul(presentKernel('cpu', 'BatchMatMul')));
  repairSamePadding3d();
  replaceKernel('cpu', 'StridedSlice', stridedSlice(presentKernel('cpu', 'StridedSlice')));
}
