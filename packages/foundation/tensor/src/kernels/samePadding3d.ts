/**
 * Repair of 3-D convolution on the CPU backend with 'same' padding and a stride larger than the filter. The padding that
 * TensorFlow.js computes is negative then, and its kernels shift the image by it. The right result is that of the image
 * without the elements that no window reaches, for which the padding is zero.
 */
import * as tf from '@tensorflow/tfjs-core';
import { presentKernel, replaceKernel, type Kernel } from './register.ts';
import type { KernelArgs } from './wasmBackend.ts';

/** Sizes [B, D, H, W, C] of the part that windows reach, where that is less than the whole; else undefined. */
function reached(
  shape: readonly number[],
  filterShape: readonly number[],
  attrs: KernelArgs['attrs'],
): number[] | undefined {
  if (attrs['pad'] !== 'same') return undefined;
  const info = tf.backend_util.computeConv3DInfo(
    shape as [number, number, number, number, number],
    filterShape as [number, number, number, number, number],
    attrs['strides'] as number,
    (attrs['dilations'] ?? 1) as number,
    'same',
  );
  const sizes = [
    shape[0] ?? 1,
    Math.min(info.inDepth, (info.outDepth - 1) * info.strideDepth + info.effectiveFilterDepth),
    Math.min(info.inHeight, (info.outHeight - 1) * info.strideHeight + info.effectiveFilterHeight),
    Math.min(info.inWidth, (info.outWidth - 1) * info.strideWidth + info.effectiveFilterWidth),
    shape[4] ?? 1,
  ];
  return tf.util.arraysEqual(sizes, [...shape]) ? undefined : sizes;
}

const crop = (x: tf.Tensor, sizes: number[]): tf.Tensor => tf.slice(x, [0, 0, 0, 0, 0], sizes);

const run = (kernelName: string, inputs: Record<string, tf.Tensor>, attrs: Record<string, unknown>): tf.Tensor =>
  tf.engine().runKernel(kernelName, inputs, attrs as tf.NamedAttrMap) as tf.Tensor;

/** Wraps one kernel: runs `repaired` where some elements are out of reach. */
function repair(
  kernelName: string,
  shapes: (inputs: Record<string, tf.Tensor>, attrs: Record<string, unknown>) => [x: number[], filter: number[]],
  repaired: (inputs: Record<string, tf.Tensor>, attrs: Record<string, unknown>, sizes: number[]) => tf.Tensor,
): void {
  const original: Kernel = presentKernel('cpu', kernelName);
  replaceKernel('cpu', kernelName, (args) => {
    const inputs = args.inputs as unknown as Record<string, tf.Tensor>;
    const sizes = reached(...shapes(inputs, args.attrs), args.attrs);
    return sizes === undefined ? original(args) : tf.tidy(() => repaired(inputs, args.attrs, sizes));
  });
}

/** Enters the repairs. */
export function repairSamePadding3d(): void {
  repair(
    'Conv3D',
    ({ x, filter }) => [(x as tf.Tensor).shape, (filter as tf.Tensor).shape],
    ({ x, filter }, attrs, sizes) =>
      run('Conv3D', { x: crop(x as tf.Tensor, sizes), filter: filter as tf.Tensor }, attrs),
  );
  repair(
    'Conv3DBackpropFilterV2',
    ({ x }, attrs) => [(x as tf.Tensor).shape, attrs['filterShape'] as number[]],
    ({ x, dy }, attrs, sizes) =>
      run('Conv3DBackpropFilterV2', { x: crop(x as tf.Tensor, sizes), dy: dy as tf.Tensor }, attrs),
  );
  repair(
    'Conv3DBackpropInputV2',
    ({ filter }, attrs) => [attrs['inputShape'] as number[], (filter as tf.Tensor).shape],
    ({ dy, filter }, attrs, sizes) => {
      const inputs = { dy: dy as tf.Tensor, filter: filter as tf.Tensor };
      const dx = run('Conv3DBackpropInputV2', inputs, { ...attrs, inputShape: sizes });
      const whole = attrs['inputShape'] as number[];
      return tf.pad(
        dx,
        whole.map((size, axis): [number, number] => [0, size - (sizes[axis] ?? size)]),
      );
    },
  );
}
