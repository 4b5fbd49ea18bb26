/**
 * Gradients of operations that move, repeat or select elements at positions known from the shapes alone: each is the
 * adjoint movement.
 *
 * MirrorPad differs from TensorFlow.js, whose rule drops what the mirrored border contributes; here it is folded back.
 */
import * as tf from '@tensorflow/tfjs-core';
import { stridedSliceInfo } from '../strided-slice.ts';
import { axesOf, gradient, gradientOfList, unbroadcast, zeros } from './gradient.ts';
import { insertZeros } from './zeroInsertion.ts';

const reshaped = (kernelName: string, input: string): tf.GradConfig =>
  gradient(kernelName, { inputs: [input] }, (dy, [x]) => ({ [input]: () => tf.reshape(dy, x.shape) }));

export const shapeGradients: tf.GradConfig[] = [
  reshaped('Reshape', 'x'),
  reshaped('ExpandDims', 'input'),
  gradient<tf.TransposeAttrs>('Transpose', {}, (dy, _, { perm }) => ({
    x: () =>
      tf.transpose(
        dy,
        perm.map((_, axis) => perm.indexOf(axis)),
      ),
  })),
  gradient<tf.ReverseAttrs>('Reverse', {}, (dy, _, { dims }) => ({ x: () => tf.reverse(dy, dims) })),
  gradient('FlipLeftRight', {}, (dy) => ({ image: () => tf.reverse(dy, 2) })),

  // Joining and splitting.
  gradient<tf.ConcatAttrs>('Concat', { all: true }, (dy, saved, attributes) => {
    const axis = axesOf(attributes.axis, dy.rank)[0] ?? 0;
    let offset = 0;
    return Object.fromEntries(
      saved.map((part, i) => {
        const begin = dy.shape.map((_, a) => (a === axis ? offset : 0));
        offset += part.shape[axis] ?? 0;
        return [String(i), () => tf.slice(dy, begin, part.shape)];
      }),
    );
  }),
  gradient<tf.PackAttrs>('Pack', { all: true }, (dy, saved, attributes) => {
    const axis = axesOf(attributes.axis, dy.rank)[0] ?? 0;
    return Object.fromEntries(
      saved.map((part, i) => {
        const begin = dy.shape.map((_, a) => (a === axis ? i : 0));
        const size = dy.shape.map((n, a) => (a === axis ? 1 : n));
        return [String(i), () => tf.reshape(tf.slice(dy, begin, size), part.shape)];
      }),
    );
  }),
  gradientOfList<tf.SplitVAttrs>('SplitV', {}, (dys, _, { axis }) => ({ x: () => tf.concat(dys, axis) })),
  gradientOfList<tf.UnpackAttrs>('Unpack', {}, (dys, _, { axis }) => ({
    value: () => tf.stack(dys, axesOf(axis, (dys[0]?.rank ?? 0) + 1)[0]),
  })),

  // Repeating.
  gradient<tf.TileAttrs>('Tile', { inputs: ['x'] }, (dy, [x], { reps }) => ({
    x: () => sumOfTiles(dy, x.shape, reps),
  })),
  gradient('BroadcastTo', { inputs: ['x'] }, (dy, [x]) => ({ x: () => unbroadcast(dy, x.shape) })),

  // Selecting and padding.
  gradient<tf.SliceAttrs>('Slice', { inputs: ['x'] }, (dy, [x], { begin }) => ({
    x: () => {
      const starts = typeof begin === 'number' ? [begin] : begin;
      return tf.pad(dy, placement(x.shape, dy.shape, starts));
    },
  })),
  gradient<tf.StridedSliceAttrs>('StridedSlice', { inputs: ['x'] }, (dy, [x], attributes) => ({
    x: () => stridedSliceGradient(dy, x.shape, attributes),
  })),
  gradient<tf.PadV2Attrs>('PadV2', { inputs: ['x'] }, (dy, [x], { paddings }) => ({
    x: () =>
      tf.slice(
        dy,
        paddings.map(([before]) => before),
        x.shape,
      ),
  })),
  gradient<tf.MirrorPadAttrs>('MirrorPad', { inputs: ['x'] }, (dy, [x], { paddings, mode }) => ({
    x: () => {
      let folded = dy;
      paddings.forEach(([before, after], axis) => {
        if (before > 0 || after > 0) folded = foldMirror(folded, axis, x.shape[axis] ?? 0, before, mode);
      });
      return folded;
    },
  })),

  // Space, depth and batch.
  gradient<tf.SpaceToBatchNDAttrs>('SpaceToBatchND', {}, (dy, _, { blockShape, paddings }) => ({
    x: () => tf.batchToSpaceND(dy, blockShape, paddings),
  })),
  gradient<tf.BatchToSpaceNDAttrs>('BatchToSpaceND', {}, (dy, _, { blockShape, crops }) => ({
    x: () => tf.spaceToBatchND(dy, blockShape, crops),
  })),
  gradient<tf.DepthToSpaceAttrs>('DepthToSpace', { inputs: ['x'] }, (dy, [x], { blockSize, dataFormat }) => ({
    x: () => spaceToDepth(dy, x.shape, blockSize, dataFormat),
  })),
  gradient('Diag', { inputs: ['x'] }, (dy, [x]) => ({
    x: () => {
      const diagonal = Array.from({ length: x.size }, (_, i) => i * (x.size + 1));
      return tf.reshape(tf.gather(tf.reshape(dy, [-1]), tf.tensor1d(diagonal, 'int32')), x.shape);
    },
  })),
  gradient('OneHot', { inputs: ['indices'] }, (_, [indices]) => ({ indices: () => zeros(indices.shape) })),
];

/** The paddings that put a block of shape `block` at `starts` in a tensor of shape `shape`. */
function placement(shape: readonly number[], block: readonly number[], starts: readonly number[]): [number, number][] {
  return shape.map((size, axis) => {
    const start = starts[axis] ?? 0;
    return [start, size - start - (block[axis] ?? 0)];
  });
}

/** Sums the copies that `tile` made: axis of size r n -> [r, n] -> summed over r. */
function sumOfTiles(dy: tf.Tensor, shape: readonly number[], reps: readonly number[]): tf.Tensor {
  const split: number[] = [];
  const copies: number[] = [];
  shape.forEach((size, axis) => {
    const repeat = reps[axis] ?? 1;
    if (repeat !== 1) {
      copies.push(split.length);
      split.push(repeat);
    }
    split.push(size);
  });
  if (copies.length === 0) return tf.clone(dy);
  return tf.reshape(tf.sum(tf.reshape(dy, split), copies), [...shape]);
}

function stridedSliceGradient(dy: tf.Tensor, shape: readonly number[], a: tf.StridedSliceAttrs): tf.Tensor {
  const info = stridedSliceInfo(shape, a);
  // [...final] -> the slice's shape before axes were removed or added.
  let block: tf.Tensor = tf.reshape(dy, tf.slice_util.computeOutShape(info.begin, info.end, info.strides));
  if (block.size === 0) return zeros(shape);
  const backwards = info.strides.flatMap((stride, axis) => (stride < 0 ? [axis] : []));
  if (backwards.length > 0) block = tf.reverse(block, backwards);
  const steps = info.strides.map(Math.abs);
  const starts = info.begin.map((begin, axis) => {
    const count = block.shape[axis] ?? 1;
    return (info.strides[axis] ?? 1) < 0 ? begin - (count - 1) * (steps[axis] ?? 1) : begin;
  });
  const spaced = insertZeros(block, steps);
  return tf.pad(spaced, placement(shape, spaced.shape, starts));
}

/** Adds the mirrored border back onto the elements it was copied from. Along `axis`: before + n + after -> n. */
function foldMirror(dy: tf.Tensor, axis: number, n: number, before: number, mode: 'reflect' | 'symmetric'): tf.Tensor {
  const after = (dy.shape[axis] ?? 0) - n - before;
  const part = (start: number, length: number): tf.Tensor =>
    tf.slice(
      dy,
      dy.shape.map((_, a) => (a === axis ? start : 0)),
      dy.shape.map((size, a) => (a === axis ? length : size)),
    );
  const place = (border: tf.Tensor, start: number): tf.Tensor =>
    tf.pad(
      tf.reverse(border, axis),
      dy.shape.map((_, a): [number, number] => (a === axis ? [start, n - start - (border.shape[axis] ?? 0)] : [0, 0])),
    );
  // 'reflect' leaves out the edge element, 'symmetric' repeats it.
  const edge = mode === 'reflect' ? 1 : 0;
  let folded = part(before, n);
  if (before > 0) folded = tf.add(folded, place(part(0, before), edge));
  if (after > 0) folded = tf.add(folded, place(part(before + n, after), n - edge - after));
  return folded;
}

/** The inverse of depthToSpace. NHWC: [B, H b, W b, C] -> [B, H, W, b b C]. */
function spaceToDepth(dy: tf.Tensor, shape: readonly number[], block: number, dataFormat: 'NHWC' | 'NCHW'): tf.Tensor {
  const [batch = 1, ...rest] = shape;
  if (dataFormat === 'NCHW') {
    const [depth = 1, height = 1, width = 1] = rest;
    const channels = depth / (block * block);
    const split = tf.reshape(dy, [batch, channels, height, block, width, block]);
    return tf.reshape(tf.transpose(split, [0, 3, 5, 1, 2, 4]), [...shape]); // [B, b, b, C, H, W]
  }
  const [height = 1, width = 1, depth = 1] = rest;
  const channels = depth / (block * block);
  const split = tf.reshape(dy, [batch, height, block, width, block, channels]);
  return tf.reshape(tf.transpose(split, [0, 1, 3, 2, 4, 5]), [...shape]); // [B, H, W, b, b, C]
}
