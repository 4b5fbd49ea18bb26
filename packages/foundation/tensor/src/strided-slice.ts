/**
 * What a `StridedSlice` call takes from a shape: TensorFlow.js's `sliceInfo` with the kernel's attributes by name, for
 * kernels, gradients and engines.
 */
import * as tf from '@tensorflow/tfjs-core';

/** The result of TensorFlow.js's `sliceInfo`: begin, end and stride of each axis, and the final shape. */
export type StridedSliceInfo = ReturnType<typeof tf.slice_util.sliceInfo>;

/**
 * The slice that `attrs` mean for a tensor of this shape.
 *
 * @throws Error for a stride of 0, or more than one ellipsis, as TensorFlow.js does.
 */
export function stridedSliceInfo(shape: readonly number[], attrs: tf.StridedSliceAttrs): StridedSliceInfo {
  return tf.slice_util.sliceInfo(
    [...shape],
    attrs.begin,
    attrs.end,
    attrs.strides,
    attrs.beginMask,
    attrs.endMask,
    attrs.ellipsisMask,
    attrs.newAxisMask,
    attrs.shrinkAxisMask,
  );
}
