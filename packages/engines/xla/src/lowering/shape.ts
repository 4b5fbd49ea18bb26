/** Kernels that move elements: reshaping, slicing, joining, padding, moving blocks. */
import { stridedSliceInfo, tf } from '@tesserae/tensor';
import {
  add,
  broadcastInDim,
  compare,
  concatenate,
  constant,
  convert,
  iota,
  multiply,
  pad,
  reshape,
  reverse,
  select,
  slice,
  transpose,
} from '../graph/hlo.ts';
import { sameShape, sizeOf } from '../graph/node.ts';
import type { Node } from '../graph/node.ts';
import { bufferType } from '../pjrt/element-type.ts';
import { normalizeAxes, range } from './kernel.ts';
import type { KernelCall, Lowering, Lowerings } from './kernel.ts';

const zeros = (x: Node, shape: readonly number[] = x.shape): Node => constant(0, x.type, shape);

/** Elements of -1 stand for what is left. */
function inferred(shape: readonly number[], size: number): number[] {
  return tf.util.inferFromImplicitShape([...shape], size);
}

const reshaping =
  (input: string, target: (call: KernelCall, shape: readonly number[]) => number[]): Lowering =>
  (call) => {
    const info = call.inputs[input] as tf.TensorInfo;
    return { tensors: call.backend.share(info, target(call, info.shape)) };
  };

function stridedSlice(call: KernelCall): Node {
  const a = call.attrs<tf.StridedSliceAttrs>();
  const x = call.node('x');
  const info = stridedSliceInfo(x.shape, a);
  if (info.isIdentity) return reshape(x, info.finalShape);
  if (sizeOf(info.finalShape) === 0) return zeros(x, info.finalShape);
  // A negative stride takes the same elements upwards and reverses.
  const { begin, end, strides } = info;
  const counts = tf.slice_util.computeOutShape(begin, end, strides);
  const backwards = range(0, x.shape.length).filter((i) => (strides[i] as number) < 0);
  const from = begin.map((start, i) =>
    (strides[i] as number) < 0 ? start + ((counts[i] as number) - 1) * (strides[i] as number) : start,
  );
  const steps = strides.map(Math.abs);
  const limit = from.map((start, i) => start + ((counts[i] as number) - 1) * (steps[i] as number) + 1);
  const sliced = slice(x, from, limit, steps);
  return reshape(backwards.length === 0 ? sliced : reverse(sliced, backwards), info.finalShape);
}

/** Moves blocks between batch and space: one reshape, transposition, reshape. */
function batchToSpace(call: KernelCall): Node {
  const { blockShape, crops } = call.attrs<{ blockShape: number[]; crops: number[][] }>();
  const x = call.node('x');
  const product = sizeOf(blockShape);
  const shape = [...x.shape];
  const blocks = blockShape.length;
  const rest = shape.slice(1 + blocks);
  const split = reshape(x, [...blockShape, (shape[0] as number) / product, ...shape.slice(1)]);
  const order = [
    blocks,
    ...range(0, blocks).flatMap((i) => [blocks + 1 + i, i]),
    ...range(2 * blocks + 1, 2 * blocks + 1 + rest.length),
  ];
  const spatial = blockShape.map((block, i) => block * (shape[1 + i] as number));
  const joined = reshape(transpose(split, order), [(shape[0] as number) / product, ...spatial, ...rest]);
  const start = [0, ...crops.map(([low]) => low as number), ...rest.map(() => 0)];
  const limit = [
    joined.shape[0] as number,
    ...crops.map(([, high], i) => (spatial[i] as number) - (high as number)),
    ...rest,
  ];
  return slice(joined, start, limit);
}

function spaceToBatch(call: KernelCall): Node {
  const { blockShape, paddings } = call.attrs<{ blockShape: number[]; paddings: number[][] }>();
  const input = call.node('x');
  const blocks = blockShape.length;
  const after = input.shape.length - 1 - blocks;
  const edge = (side: 0 | 1): number[] => [
    0,
    ...paddings.map((pair) => pair[side] as number),
    ...Array<number>(after).fill(0),
  ];
  const x = pad(input, constant(0, input.type), edge(0), edge(1));
  const rest = x.shape.slice(1 + blocks);
  const split = reshape(x, [
    x.shape[0] as number,
    ...blockShape.flatMap((block, i) => [(x.shape[1 + i] as number) / block, block]),
    ...rest,
  ]);
  const order = [
    ...range(0, blocks).map((i) => 2 + 2 * i),
    0,
    ...range(0, blocks).map((i) => 1 + 2 * i),
    ...range(1 + 2 * blocks, split.shape.length),
  ];
  const spatial = blockShape.map((block, i) => (x.shape[1 + i] as number) / block);
  return reshape(transpose(split, order), [(x.shape[0] as number) * sizeOf(blockShape), ...spatial, ...rest]);
}

/** Channels become blocks of space: [B, H, W, b b C] -> [B, b H, b W, C]. */
function depthToSpace(call: KernelCall): Node {
  const { blockSize, dataFormat } = call.attrs<{ blockSize: number; dataFormat: string }>();
  if (dataFormat !== 'NHWC')
    throw new Error(`xla: depthToSpace is channels last (NHWC), but dataFormat is '${dataFormat}'.`);
  const x = call.node('x');
  const [batch, height, width, depth] = x.shape as [number, number, number, number];
  const channels = depth / blockSize ** 2;
  const split = reshape(x, [batch, height, width, blockSize, blockSize, channels]);
  // [B, H, b, W, b, C]
  return reshape(transpose(split, [0, 1, 3, 2, 4, 5]), [batch, height * blockSize, width * blockSize, channels]);
}

function mirrorPad(call: KernelCall): Node {
  const { paddings, mode } = call.attrs<{ paddings: [number, number][]; mode: 'reflect' | 'symmetric' }>();
  const skip = mode === 'reflect' ? 1 : 0;
  let x = call.node('x');
  paddings.forEach(([low, high], axis) => {
    const size = x.shape[axis] as number;
    const strip = (from: number, to: number): Node =>
      reverse(
        slice(
          x,
          x.shape.map((_, i) => (i === axis ? from : 0)),
          x.shape.map((length, i) => (i === axis ? to : length)),
        ),
        [axis],
      );
    const parts = [x];
    if (low > 0) parts.unshift(strip(skip, skip + low));
    if (high > 0) parts.push(strip(size - skip - high, size - skip));
    x = concatenate(parts, axis);
  });
  return x;
}

function oneHot(call: KernelCall): Node {
  const { depth, onValue, offValue, dtype } = call.attrs<{
    depth: number;
    onValue: number;
    offValue: number;
    dtype: tf.DataType;
  }>();
  const indices = convert(call.node('indices'), 'i32');
  const shape = [...indices.shape, depth];
  const type = bufferType(dtype);
  const hit = compare(
    'EQ',
    broadcastInDim(
      indices,
      shape,
      indices.shape.map((_, i) => i),
    ),
    iota('i32', shape, shape.length - 1),
  );
  return select(hit, constant(onValue, type, shape), constant(offValue, type, shape));
}

function tile(call: KernelCall): Node {
  const { reps } = call.attrs<{ reps: number[] }>();
  const x = call.node('x');
  const spread = reps.flatMap((rep, i) => [rep, x.shape[i] as number]);
  const repeated = broadcastInDim(
    x,
    spread,
    x.shape.map((_, i) => 2 * i + 1),
  );
  return reshape(
    repeated,
    x.shape.map((size, i) => size * (reps[i] as number)),
  );
}

/** See the file header. */
export const shapes: Lowerings = {
  Identity: reshaping('x', (_, shape) => [...shape]),
  Reshape: reshaping('x', (call, shape) => inferred(call.attrs<{ shape: number[] }>().shape, sizeOf(shape))),
  ExpandDims: reshaping('input', (call, shape) => {
    const { dim } = call.attrs<{ dim: number }>();
    if (dim < -(shape.length + 1) || dim > shape.length)
      throw new Error(
        `expandDims: 'dim' must be in [${-(shape.length + 1)}, ${shape.length}] for shape [${shape.join(', ')}], but got ${dim}.`,
      );
    const at = dim < 0 ? shape.length + 1 + dim : dim;
    return [...shape.slice(0, at), 1, ...shape.slice(at)];
  }),
  Transpose: (call) => transpose(call.node('x'), call.attrs<{ perm: number[] }>().perm),
  Slice: (call) => {
    const x = call.node('x');
    const { begin, size } = call.attrs<{ begin: number[]; size: number[] }>();
    const [start, sizes] = tf.slice_util.parseSliceParams(
      { dataId: {}, shape: [...x.shape], dtype: 'float32' },
      begin,
      size,
    ) as [number[], number[]];
    tf.slice_util.assertParamsValid({ dataId: {}, shape: [...x.shape], dtype: 'float32' }, start, sizes);
    return slice(
      x,
      start,
      start.map((from, i) => from + (sizes[i] as number)),
    );
  },
  StridedSlice: stridedSlice,
  Concat: (call) => {
    const inputs = call.list();
    const { axis } = call.attrs<{ axis: number }>();
    const along = normalizeAxes(axis, (inputs[0] as Node).shape.length)[0] as number;
    tf.backend_util.assertParamsConsistent(
      inputs.map(({ shape }) => [...shape]),
      along,
    );
    const filled = inputs.filter((input) => input.size > 0);
    return concatenate(filled.length === 0 ? inputs : filled, along);
  },
  Pack: (call) => {
    const { axis } = call.attrs<{ axis: number }>();
    const inputs = call.list();
    const [first] = inputs as [Node, ...Node[]];
    for (const { type, shape } of inputs) {
      if (type !== first.type || !sameShape(shape, first.shape))
        throw new Error(
          `stack: tensors must agree in shape and dtype, but got ${inputs.map(({ text }) => text).join(', ')}.`,
        );
    }
    const rank = first.shape.length + 1;
    const at = axis < 0 ? axis + rank : axis;
    const lifted = inputs.map((input) => reshape(input, [...input.shape.slice(0, at), 1, ...input.shape.slice(at)]));
    return concatenate(lifted, at);
  },
  Unpack: (call) => {
    const x = call.node('value');
    const axis = normalizeAxes(call.attrs<{ axis: number }>().axis, x.shape.length)[0] as number;
    const shape = x.shape.filter((_, i) => i !== axis);
    return range(0, x.shape[axis] as number).map((index) =>
      reshape(
        slice(
          x,
          x.shape.map((_, i) => (i === axis ? index : 0)),
          x.shape.map((size, i) => (i === axis ? index + 1 : size)),
        ),
        shape,
      ),
    );
  },
  SplitV: (call) => {
    const { numOrSizeSplits, axis } = call.attrs<{ numOrSizeSplits: number | number[]; axis: number }>();
    const x = call.node('x');
    const along = normalizeAxes(axis, x.shape.length)[0] as number;
    const sizes = tf.backend_util.prepareSplitSize({ shape: [...x.shape] } as tf.Tensor, numOrSizeSplits, along);
    let from = 0;
    return sizes.map((size) => {
      const part = slice(
        x,
        x.shape.map((_, i) => (i === along ? from : 0)),
        x.shape.map((length, i) => (i === along ? from + size : length)),
      );
      from += size;
      return part;
    });
  },
  Reverse: (call) => {
    const x = call.node('x');
    return reverse(x, normalizeAxes(call.attrs<{ dims: number[] }>().dims, x.shape.length));
  },
  PadV2: (call) => {
    const { paddings, constantValue } = call.attrs<{ paddings: [number, number][]; constantValue: number }>();
    const x = call.node('x');
    return pad(
      x,
      constant(constantValue, x.type),
      paddings.map(([low]) => low),
      paddings.map(([, high]) => high),
    );
  },
  MirrorPad: mirrorPad,
  Tile: tile,
  Fill: (call) => {
    const { shape, value, dtype } = call.attrs<{ shape: number[]; value: number | string; dtype?: tf.DataType }>();
    if (typeof value === 'string') {
      const bytes = tf.util.encodeString(value);
      const strings = Array.from({ length: sizeOf(shape) }, () => bytes);
      return { tensors: { dataId: call.backend.write(strings, shape, 'string'), shape, dtype: 'string' } };
    }
    return call.backend.fill(value, shape, dtype ?? tf.util.inferDtype(value));
  },
  Range: (call) => {
    const attributes = call.attrs<{
      start: number;
      stop: number;
      step: number;
      dtype: tf.DataType;
    }>();
    const { start, stop, dtype } = attributes;
    // Downwards by 1 is the default too.
    const step = stop < start && attributes.step === 1 ? -1 : attributes.step;
    const count =
      start === stop || (start < stop && step < 0) || (stop < start && step > 1)
        ? 0
        : Math.max(0, Math.ceil(Math.abs((stop - start) / step)));
    const type = bufferType(dtype);
    const index = iota(type, [count], 0);
    const scaled = multiply(index, constant(step, type, [count]));
    return add(scaled, constant(start, type, [count]));
  },
  LinSpace: (call) => {
    const { start, stop, num } = call.attrs<{ start: number; stop: number; num: number }>();
    const step = num === 1 ? 0 : (stop - start) / (num - 1);
    return add(multiply(iota('f32', [num], 0), constant(step, 'f32', [num])), constant(start, 'f32', [num]));
  },
  OneHot: oneHot,
  BatchToSpaceND: batchToSpace,
  DepthToSpace: depthToSpace,
  SpaceToBatchND: spaceToBatch,
};
