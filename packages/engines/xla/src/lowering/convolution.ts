/**
 * Convolutions of two and three dimensions, depthwise ones, and their gradients.
 *
 * Gradients are convolutions too: with respect to the input, dy spread by the stride is convolved with the reversed
 * filter; with respect to the filter, the input is convolved with dy, batch and channels having changed places.
 */
import { tf } from '@tesserae/tensor';
import { apply } from '../graph/broadcast.ts';
import { convolution, reshape, reverse, slice, transpose } from '../graph/hlo.ts';
import type { Node } from '../graph/node.ts';
import { activate } from './elementwise.ts';
import { productOperands } from './kernel.ts';
import type { KernelCall, Lowerings } from './kernel.ts';

/** Geometry of a convolution over n spatial dimensions, all lists of length n. */
interface Geometry {
  readonly strides: readonly number[];
  readonly dilations: readonly number[];
  readonly padding: readonly (readonly [number, number])[];
  /** Input, filter and output sizes. */
  readonly input: readonly number[];
  readonly filter: readonly number[];
  readonly output: readonly number[];
}

interface ConvolutionAttributes {
  readonly strides: number | number[];
  readonly pad: 'same' | 'valid' | number | [number, number][];
  readonly dataFormat?: 'NHWC' | 'NCHW';
  readonly dilations?: number | number[];
  readonly dimRoundingMode?: 'floor' | 'round' | 'ceil';
}

const letters = (n: number): string => Array.from({ length: n }, (_, i) => i).join(', ');

/** Orders of the dimensions of images: channels first to last, and back. */
const toLast = [0, 2, 3, 1] as const;
const toFirst = [0, 3, 1, 2] as const;

const reordered = <T>(list: readonly T[], order: readonly number[]): T[] => order.map((from) => list[from] as T);

/** An image of the kernel's data format with its channels last. */
const channelsLast = (x: Node, { dataFormat }: ConvolutionAttributes): Node =>
  dataFormat === 'NCHW' ? transpose(x, toLast) : x;

/** An image with its channels last in the kernel's data format. */
const inFormat = (x: Node, { dataFormat }: ConvolutionAttributes): Node =>
  dataFormat === 'NCHW' ? transpose(x, toFirst) : x;

/** The shape of an image with its channels last. */
const shapeLast = (shape: number[], { dataFormat }: ConvolutionAttributes): number[] =>
  dataFormat === 'NCHW' ? reordered(shape, toLast) : shape;

/** Shapes are channels last, whatever the format. */
function geometry2d(a: ConvolutionAttributes, x: number[], filter: number[], depthwise: boolean): Geometry {
  const { pad } = a;
  const info = tf.backend_util.computeConv2DInfo(
    x as [number, number, number, number],
    filter as [number, number, number, number],
    a.strides as [number, number],
    (a.dilations ?? 1) as [number, number],
    (Array.isArray(pad) && a.dataFormat === 'NCHW' ? reordered(pad, toLast) : pad) as number,
    a.dimRoundingMode,
    depthwise,
  );
  const { padInfo } = info;
  return fitted({
    strides: [info.strideHeight, info.strideWidth],
    dilations: [info.dilationHeight, info.dilationWidth],
    padding: [
      [padInfo.top, padInfo.bottom],
      [padInfo.left, padInfo.right],
    ],
    input: [info.inHeight, info.inWidth],
    filter: [info.filterHeight, info.filterWidth],
    output: [info.outHeight, info.outWidth],
  });
}

function geometry3d(a: ConvolutionAttributes, x: number[], filter: number[]): Geometry {
  const info = tf.backend_util.computeConv3DInfo(
    x as [number, number, number, number, number],
    filter as [number, number, number, number, number],
    a.strides as [number, number, number],
    (a.dilations ?? 1) as [number, number, number],
    a.pad as 'same' | 'valid',
  );
  const { padInfo } = info;
  return fitted({
    strides: [info.strideDepth, info.strideHeight, info.strideWidth],
    dilations: [info.dilationDepth, info.dilationHeight, info.dilationWidth],
    padding: [
      [padInfo.front, padInfo.back],
      [padInfo.top, padInfo.bottom],
      [padInfo.left, padInfo.right],
    ],
    input: [info.inDepth, info.inHeight, info.inWidth],
    filter: [info.filterDepth, info.filterHeight, info.filterWidth],
    output: [info.outDepth, info.outHeight, info.outWidth],
  });
}

const ones = (g: Geometry): number[] => g.strides.map(() => 1);
const reach = (g: Geometry, i: number): number => ((g.filter[i] as number) - 1) * (g.dilations[i] as number) + 1;

/**
 * The geometry with the padding at the end adjusted where the number of outputs does not follow from it: TensorFlow.js
 * takes the filter's height for its width, and rounds as it is told, when padding is a number.
 */
function fitted(g: Geometry): Geometry {
  const padding = g.padding.map(([low, high], i) => {
    const [stride, out, size] = [g.strides, g.output, g.input].map((list) => list[i]) as [number, number, number];
    const follows = Math.floor((size + low + high - reach(g, i)) / stride) + 1 === out;
    return [low, follows ? high : (out - 1) * stride + reach(g, i) - size - low] as const;
  });
  return { ...g, padding };
}

/** x [B, …, I] with filter […, I / groups, O] -> [B, …, O]. */
function forward(x: Node, filter: Node, g: Geometry, groups: number): Node {
  const { a, b, precision } = productOperands(x, filter);
  const n = letters(g.strides.length);
  const config = {
    dimensions: `[b, ${n}, f]x[${n}, i, o]->[b, ${n}, f]`,
    strides: g.strides,
    padding: g.padding,
    lhsDilation: ones(g),
    rhsDilation: g.dilations,
    featureGroups: groups,
    precision,
  };
  const channels = filter.shape[filter.shape.length - 1] as number;
  return convolution(a, b, config, 'f32', [x.shape[0] as number, ...g.output, channels]);
}

/** The filter turned around, as an op of its own: with `window_reversal` the CPU plugin leaves its fast path. */
const turned = (filter: Node, g: Geometry): Node =>
  reverse(
    filter,
    g.strides.map((_, i) => i),
  );

/** Gradient of {@link forward} with respect to x: dy [B, …, O] and filter […, I, O] -> [B, …, I]. */
function inputGradient(given: Node, filter: Node, g: Geometry): Node {
  // Outputs that no window has are passed over: transposed convolutions may ask for them.
  const extent = [given.shape[0] as number, ...g.output, given.shape[given.shape.length - 1] as number];
  const dy = slice(
    given,
    extent.map(() => 0),
    extent.map((size, i) => Math.min(size, given.shape[i] as number)),
  );
  const { a, b, precision } = productOperands(dy, filter);
  const n = letters(g.strides.length);
  const padding = g.strides.map((stride, i) => {
    const low = reach(g, i) - 1 - (g.padding[i] as readonly [number, number])[0];
    const spread = ((g.output[i] as number) - 1) * stride + 1;
    return [low, (g.input[i] as number) - spread - low + reach(g, i) - 1] as const;
  });
  const config = {
    // The filter's channels change places: its output channels are contracted.
    dimensions: `[b, ${n}, f]x[${n}, o, i]->[b, ${n}, f]`,
    strides: ones(g),
    padding,
    lhsDilation: g.strides,
    rhsDilation: g.dilations,
    featureGroups: 1,
    precision,
  };
  const channels = filter.shape[filter.shape.length - 2] as number;
  return convolution(a, turned(b, g), config, 'f32', [dy.shape[0] as number, ...g.input, channels]);
}

/** Gradient of {@link forward} with respect to the filter: x [B, …, I] and dy [B, …, O] -> […, I / groups, O]. */
function filterGradient(x: Node, dy: Node, g: Geometry, groups: number): Node {
  const { a, b, precision } = productOperands(x, dy);
  const n = letters(g.strides.length);
  const padding = g.strides.map((stride, i) => {
    const [low] = g.padding[i] as readonly [number, number];
    const spread = ((g.output[i] as number) - 1) * stride + 1;
    return [low, reach(g, i) - 1 + spread - (g.input[i] as number) - low] as const;
  });
  const config = {
    // Channels of x are the batch, the batch is contracted, and dy is a filter whose windows are spread by the stride.
    dimensions: `[f, ${n}, b]x[i, ${n}, o]->[${n}, b, f]`,
    strides: g.dilations,
    padding,
    lhsDilation: ones(g),
    rhsDilation: g.strides,
    featureGroups: 1,
    batchGroups: groups,
    precision,
  };
  const [inputs, outputs] = [x.shape[x.shape.length - 1] as number, dy.shape[dy.shape.length - 1] as number];
  return convolution(a, b, config, 'f32', [...g.filter, inputs / groups, outputs]);
}

/** TensorFlow.js's depthwise filter [h, w, I, M] as a grouped one: [h, w, 1, I M]. */
const grouped = (filter: Node): Node => {
  const [h, w, channels, multiplier] = filter.shape as [number, number, number, number];
  return reshape(filter, [h, w, 1, channels * multiplier]);
};

function fused(call: KernelCall, depthwise: boolean): Node {
  const a = call.attrs<ConvolutionAttributes & { activation?: string; leakyreluAlpha?: number }>();
  const [x, filter] = [channelsLast(call.node('x'), a), call.node('filter')];
  const g = geometry2d(a, [...x.shape], [...filter.shape], depthwise);
  const convolved = depthwise
    ? forward(x, grouped(filter), g, x.shape[3] as number)
    : forward(x, filter, g, groupsOf(x, filter));
  let result = inFormat(convolved, a);
  /** One value a channel, in the place of the channels. */
  const perChannel = (values: Node): Node =>
    a.dataFormat === 'NCHW' && values.shape.length === 1 ? reshape(values, [values.size, 1, 1]) : values;
  if (call.has('bias')) result = apply('add', result, perChannel(call.node('bias')));
  const alpha = call.has('preluActivationWeights') ? perChannel(call.node('preluActivationWeights')) : undefined;
  return activate(result, a.activation ?? 'linear', alpha, a.leakyreluAlpha);
}

const groupsOf = (x: Node, filter: Node): number =>
  (x.shape[x.shape.length - 1] as number) / (filter.shape[filter.shape.length - 2] as number);

/** Gradient of a depthwise convolution with respect to its input: one small convolution a channel, as groups. */
function depthwiseInputGradient(call: KernelCall): Node {
  const a = call.attrs<ConvolutionAttributes & { inputShape: number[] }>();
  const [dy, filter] = [channelsLast(call.node('dy'), a), call.node('filter')];
  const inputShape = shapeLast(a.inputShape, a);
  const g = geometry2d(a, inputShape, [...filter.shape], true);
  const [h, w, channels, multiplier] = filter.shape as [number, number, number, number];
  const operands = productOperands(dy, reshape(filter, [h, w, channels, multiplier]));
  const padding = g.strides.map((stride, i) => {
    const low = reach(g, i) - 1 - (g.padding[i] as readonly [number, number])[0];
    const spread = ((g.output[i] as number) - 1) * stride + 1;
    return [low, (g.input[i] as number) - spread - low + reach(g, i) - 1] as const;
  });
  const config = {
    // dy has I groups of M channels; the filter [h, w, I, M] is read as [h, w, output I, input M].
    dimensions: '[b, 0, 1, f]x[0, 1, o, i]->[b, 0, 1, f]',
    strides: ones(g),
    padding,
    lhsDilation: g.strides,
    rhsDilation: g.dilations,
    featureGroups: channels,
    precision: operands.precision,
  };
  return inFormat(convolution(operands.a, turned(operands.b, g), config, 'f32', inputShape), a);
}

/** See the file header. */
export const convolutions: Lowerings = {
  Conv2D: (call) => {
    const a = call.attrs<ConvolutionAttributes>();
    const [x, filter] = [channelsLast(call.node('x'), a), call.node('filter')];
    const g = geometry2d(a, [...x.shape], [...filter.shape], false);
    return inFormat(forward(x, filter, g, groupsOf(x, filter)), a);
  },
  Conv2DBackpropInput: (call) => {
    const a = call.attrs<ConvolutionAttributes & { inputShape: number[] }>();
    const [dy, filter] = [channelsLast(call.node('dy'), a), call.node('filter')];
    return inFormat(inputGradient(dy, filter, geometry2d(a, shapeLast(a.inputShape, a), [...filter.shape], false)), a);
  },
  Conv2DBackpropFilter: (call) => {
    const a = call.attrs<ConvolutionAttributes & { filterShape: number[] }>();
    const [x, dy] = [channelsLast(call.node('x'), a), channelsLast(call.node('dy'), a)];
    return filterGradient(x, dy, geometry2d(a, [...x.shape], a.filterShape, false), 1);
  },
  FusedConv2D: (call) => fused(call, false),
  DepthwiseConv2dNative: (call) => {
    const a = call.attrs<ConvolutionAttributes>();
    const [x, filter] = [channelsLast(call.node('x'), a), call.node('filter')];
    const g = geometry2d(a, [...x.shape], [...filter.shape], true);
    return inFormat(forward(x, grouped(filter), g, x.shape[3] as number), a);
  },
  FusedDepthwiseConv2D: (call) => fused(call, true),
  DepthwiseConv2dNativeBackpropInput: depthwiseInputGradient,
  DepthwiseConv2dNativeBackpropFilter: (call) => {
    const a = call.attrs<ConvolutionAttributes & { filterShape: number[] }>();
    const [x, dy] = [channelsLast(call.node('x'), a), channelsLast(call.node('dy'), a)];
    const g = geometry2d(a, [...x.shape], a.filterShape, true);
    return reshape(filterGradient(x, dy, g, x.shape[3] as number), a.filterShape);
  },
  Conv3D: (call) => {
    const [x, filter] = [call.node('x'), call.node('filter')];
    return forward(x, filter, geometry3d(call.attrs<ConvolutionAttributes>(), [...x.shape], [...filter.shape]), 1);
  },
  Conv3DBackpropInputV2: (call) => {
    const a = call.attrs<ConvolutionAttributes & { inputShape: number[] }>();
    const filter = call.node('filter');
    return inputGradient(call.node('dy'), filter, geometry3d(a, a.inputShape, [...filter.shape]));
  },
  Conv3DBackpropFilterV2: (call) => {
    const a = call.attrs<ConvolutionAttributes & { filterShape: number[] }>();
    const x = call.node('x');
    return filterGradient(x, call.node('dy'), geometry3d(a, [...x.shape], a.filterShape), 1);
  },
};
