/**
 * Average and maximum pooling in two and three dimensions, and their gradients.
 *
 * By TensorFlow.js's rules: an average is over the elements of a window that lie inside the image, while its gradient
 * kernel divides by the whole window; a maximum ignores NaN, and its gradient goes to the first of equal elements in 2-D
 * and to the last in 3-D.
 */
import { tf } from '@tesserae/tensor';
import { applyScalar } from '../graph/broadcast.ts';
import {
  add,
  broadcastInDim,
  compare,
  constant,
  convert,
  divide,
  iota,
  literal,
  maximum,
  multiply,
  reduceWindow,
  select,
} from '../graph/hlo.ts';
import type { Window } from '../graph/hlo.ts';
import { sameShape, sizeOf } from '../graph/node.ts';
import type { Node } from '../graph/node.ts';
import type { KernelCall, Lowerings } from './kernel.ts';
import { addTaps, largestTap, taps, whereChosen, windowCounts } from './windows.ts';

interface PoolAttributes {
  readonly filterSize: number | number[];
  readonly strides: number | number[];
  readonly pad: 'same' | 'valid' | number;
  readonly dimRoundingMode?: 'floor' | 'round' | 'ceil';
  readonly dataFormat?: string;
}

/** Larger windows become one windowed reduction: that many slices would cost more than they save. */
const maximalTaps = 32;

type PoolInfo = Record<string, number> & { padInfo: Record<string, number> };

/** The windows over an input [batch, …, channels]. */
function windowOf(call: KernelCall, shape: readonly number[]): Window {
  const { filterSize, strides, pad, dimRoundingMode, dataFormat } = call.attrs<PoolAttributes>();
  if (dataFormat === 'NCHW' || dataFormat === 'NCDHW')
    throw new Error(`xla: pooling is channels last, but dataFormat is '${dataFormat}'.`);
  const three = shape.length === 5;
  const compute = (three ? tf.backend_util.computePool3DInfo : tf.backend_util.computePool2DInfo) as unknown as (
    ...args: unknown[]
  ) => PoolInfo;
  const info = compute([...shape], filterSize, strides, 1, pad, dimRoundingMode);
  const axes = [...(three ? ['Depth'] : []), 'Height', 'Width'];
  const before = [...(three ? ['front'] : []), 'top', 'left'];
  const size = [1, ...axes.map((axis) => info[`effectiveFilter${axis}`] as number), 1];
  const steps = [1, ...axes.map((axis) => info[`stride${axis}`] as number), 1];
  const padding = axes.map((axis, i) => {
    const low = info.padInfo[before[i] as string] as number;
    // Rounding may put the last window beyond the padding or drop it, so the end follows from the number of windows.
    const reach = ((info[`out${axis}`] as number) - 1) * (steps[i + 1] as number) + (size[i + 1] as number);
    return [low, reach - (shape[i + 1] as number) - low] as const;
  });
  return { size, strides: steps, padding: [[0, 0], ...padding, [0, 0]] };
}

function sums(x: Node, window: Window): Node {
  return sizeOf(window.size) <= maximalTaps ? taps(x, window, 0).reduce(add) : reduceWindow('add', x, 0, window);
}

/** How many elements of each window lie inside, along one dimension: f32 [count]. */
function inside(size: number, count: number, window: Window, axis: number): Float32Array {
  const [low] = window.padding[axis] as readonly [number, number];
  return Float32Array.from({ length: count }, (_, i) => {
    const start = i * (window.strides[axis] as number) - low;
    return Math.max(0, Math.min(size, start + (window.size[axis] as number)) - Math.max(0, start));
  });
}

/** TensorFlow.js takes windows of one pixel for the identity when they leave the shape as it is, wherever they lie. */
const isIdentity = (x: Node, window: Window): boolean =>
  window.size.every((size) => size === 1) && sameShape(windowCounts(x.shape, window), x.shape);

function average(call: KernelCall): Node {
  const x = convert(call.node('x'), 'f32');
  const window = windowOf(call, x.shape);
  if (isIdentity(x, window)) return x;
  const total = sums(x, window);
  const size = sizeOf(window.size);
  if (window.padding.every(([low, high]) => low === 0 && high <= 0))
    return divide(total, constant(size, 'f32', total.shape));
  const counts = total.shape.map((count, axis) => {
    const values = inside(x.shape[axis] as number, count, window, axis);
    return broadcastInDim(literal(values, 'f32', [count]), total.shape, [axis]);
  });
  const count = counts.slice(1, -1).reduce(multiply);
  // Nothing inside: NaN in two dimensions, 0 in three.
  return divide(total, x.shape.length === 5 ? maximum(count, constant(1, 'f32', count.shape)) : count);
}

function averageGradient(call: KernelCall): Node {
  const shape = (call.inputs['input'] as tf.TensorInfo).shape;
  const window = windowOf(call, shape);
  const dy = applyScalar('multiply', convert(call.node('dy'), 'f32'), 1 / sizeOf(window.size));
  const count = sizeOf(window.size);
  if (count <= maximalTaps)
    return addTaps(
      Array.from({ length: count }, () => dy),
      window,
      shape,
    );
  return spreadSums(dy, window, shape);
}

/** The transpose of a windowed sum: a windowed sum over dy with its elements spread by the strides. */
function spreadSums(dy: Node, window: Window, shape: readonly number[]): Node {
  const padding = shape.map((size, i) => {
    const low = (window.size[i] as number) - 1 - (window.padding[i] as readonly [number, number])[0];
    const spread = ((dy.shape[i] as number) - 1) * (window.strides[i] as number) + 1;
    return [low, size + (window.size[i] as number) - 1 - spread - low] as const;
  });
  const strides = shape.map(() => 1);
  return reduceWindow('add', dy, 0, { size: window.size, strides, padding, baseDilation: window.strides });
}

const lowest = (x: Node): number => (x.type === 'i32' ? -(2 ** 31) : -Infinity);

/** x with NaN replaced by what never wins. */
function withoutNan(x: Node): Node {
  return x.type === 'f32' ? select(compare('EQ', x, x), x, constant(-Infinity, 'f32', x.shape)) : x;
}

function largest(call: KernelCall): Node {
  const x = withoutNan(call.node('x'));
  const window = windowOf(call, x.shape);
  if (isIdentity(x, window)) return call.node('x');
  return sizeOf(window.size) <= maximalTaps
    ? taps(x, window, lowest(x)).reduce(maximum)
    : reduceWindow('maximum', x, lowest(x), window);
}

function largestGradient(call: KernelCall, ties: 'first' | 'last'): Node {
  const x = call.node('input');
  const window = windowOf(call, x.shape);
  const parts = taps(x, window, lowest(x));
  const { position } = largestTap(parts, ties);
  return addTaps(whereChosen(convert(call.node('dy'), 'f32'), position, parts.length), window, x.shape);
}

/** The maxima, and where they lie in the image, or in the whole batch, flattened. */
function largestWithPosition(call: KernelCall): Node[] {
  const { includeBatchInIndex } = call.attrs<{ includeBatchInIndex: boolean }>();
  const x = call.node('x');
  const window = windowOf(call, x.shape);
  const [, height, width, channels] = x.shape as [number, number, number, number];
  const counts = windowCounts(x.shape, window);
  const { value, position } = largestTap(taps(x, window, lowest(x)), 'first');
  const along = (axis: number): Node => iota('i32', counts, axis);
  const scaled = (node: Node, by: number): Node => applyScalar('multiply', node, by);
  const windowWidth = window.size[2] as number;
  const column = tapColumn(position, windowWidth);
  const row = divide(position, constant(windowWidth, 'i32', counts));
  const place = (axis: number, tap: Node): Node => {
    const [low] = window.padding[axis] as readonly [number, number];
    return add(applyScalar('add', scaled(along(axis), window.strides[axis] as number), -low), tap);
  };
  const pixel = add(scaled(place(1, row), width), place(2, column));
  const index = add(scaled(pixel, channels), along(3));
  return [value, includeBatchInIndex ? add(index, scaled(along(0), height * width * channels)) : index];
}

const tapColumn = (position: Node, width: number): Node => applyScalar('remainder', position, width);

/** See the file header. */
export const pooling: Lowerings = {
  AvgPool: average,
  AvgPool3D: average,
  AvgPoolGrad: averageGradient,
  AvgPool3DGrad: averageGradient,
  MaxPool: largest,
  MaxPool3D: largest,
  MaxPoolGrad: (call) => largestGradient(call, 'first'),
  MaxPool3DGrad: (call) => largestGradient(call, 'last'),
  MaxPoolWithArgmax: largestWithPosition,
};
