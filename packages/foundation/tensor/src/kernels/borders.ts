/**
 * Borders for the convolution and pooling kernels of the WebAssembly backend.
 *
 * XNNPACK works out the output's size from the border it is given, TensorFlow.js from the border it was asked for; where
 * they disagree, XNNPACK writes past the end of the output and the heap is ruined. They do for a number as `pad` with
 * a window that is not square (TensorFlow.js takes its height for its width) and for outputs rounded up. Here the border
 * is recomputed from the output's size, so that both see the same one.
 */
import * as tf from '@tensorflow/tfjs-core';
import type { Kernel } from './register.ts';
import type { KernelArgs } from './wasmBackend.ts';

type Info = tf.backend_util.Conv2DInfo;

/** The border at the bottom or right that gives exactly `out` positions. */
const endBorder = (out: number, stride: number, window: number, size: number, start: number): number =>
  (out - 1) * stride + window - size - start;

/** What a kernel of this family takes as its geometry. */
export type InfoOf = (args: KernelArgs) => Info;

/** Geometry of a convolution. */
export const convolutionInfo =
  (depthwise: boolean): InfoOf =>
  ({ inputs, attrs }) =>
    tf.backend_util.computeConv2DInfo(
      inputs['x']?.shape as [number, number, number, number],
      inputs['filter']?.shape as [number, number, number, number],
      attrs['strides'] as number,
      (attrs['dilations'] ?? 1) as number,
      attrs['pad'] as 'same',
      attrs['dimRoundingMode'] as 'floor',
      depthwise,
    );

/** Geometry of a pooling. */
export const poolingInfo: InfoOf = ({ inputs, attrs }) =>
  tf.backend_util.computePool2DInfo(
    inputs['x']?.shape as [number, number, number, number],
    attrs['filterSize'] as number,
    attrs['strides'] as number,
    1,
    attrs['pad'] as 'same',
    attrs['dimRoundingMode'] as 'floor',
  );

/** Runs `compiled` with a border that fits the output, or `fallback` where none does. */
export function withExactBorder(compiled: Kernel, fallback: Kernel, infoOf: InfoOf): Kernel {
  return (args) => {
    if (args.attrs['pad'] === 'same' || args.attrs['pad'] === 'valid') return compiled(args);
    const info = infoOf(args);
    const { top, left } = info.padInfo;
    const bottom = endBorder(info.outHeight, info.strideHeight, info.effectiveFilterHeight, info.inHeight, top);
    const right = endBorder(info.outWidth, info.strideWidth, info.effectiveFilterWidth, info.inWidth, left);
    // Negative: the last window ends inside the image. As wide as the window: XNNPACK refuses.
    const fits =
      Math.min(bottom, right) >= 0 &&
      Math.max(top, bottom) < info.effectiveFilterHeight &&
      Math.max(left, right) < info.effectiveFilterWidth;
    if (!fits) return fallback(args);
    const pad = [
      [0, 0],
      [top, bottom],
      [left, right],
      [0, 0],
    ];
    return compiled({ ...args, attrs: { ...args.attrs, pad, dimRoundingMode: undefined } });
  };
}
