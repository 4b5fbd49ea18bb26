/**
 * Which activations of a compiled program stay in bfloat16 under `withPrecision('bfloat16')`.
 *
 * Products and convolutions multiply bfloat16 and add up in float32. What they give is rounded to bfloat16 when it is
 * stored, and so is what only moves it or maps it element by element, so half the memory is written and read between
 * two products. Everything else (reductions, exponentials, normalisation, losses, the optimizer) reads float32: a tensor
 * is float32 to TensorFlow.js all the while, and only the node behind it may be narrower.
 *
 * Outside of a trace nothing is kept narrow: an eager tensor may be read or stored at any moment.
 */
import { convert } from '../graph/hlo.ts';
import type { Node } from '../graph/node.ts';

/** Products by their factors: those are taken as they are stored, and the result is rounded. */
const products: Readonly<Record<string, readonly string[]>> = {
  BatchMatMul: ['a', 'b'],
  _FusedMatMul: ['a', 'b'],
  Conv2D: ['x', 'filter'],
  FusedConv2D: ['x', 'filter'],
  Conv2DBackpropInput: ['dy', 'filter'],
  Conv2DBackpropFilter: ['x', 'dy'],
  DepthwiseConv2dNative: ['x', 'filter'],
  FusedDepthwiseConv2D: ['x', 'filter'],
  DepthwiseConv2dNativeBackpropInput: ['dy', 'filter'],
  DepthwiseConv2dNativeBackpropFilter: ['x', 'dy'],
  Conv3D: ['x', 'filter'],
  Conv3DBackpropInputV2: ['dy', 'filter'],
  Conv3DBackpropFilterV2: ['x', 'dy'],
};

/** Kernels that only move elements: bfloat16 in, bfloat16 out. */
const movement = new Set([
  'BatchToSpaceND',
  'Concat',
  'DepthToSpace',
  'MirrorPad',
  'Pack',
  'PadV2',
  'Reverse',
  'Slice',
  'SpaceToBatchND',
  'SplitV',
  'StridedSlice',
  'Tile',
  'Transpose',
  'Unpack',
]);

/** Elementwise kernels whose result is as good in bfloat16 as their operands were. */
const elementwise = new Set([
  'Add',
  'AddN',
  'ClipByValue',
  'Elu',
  'Erf',
  'LeakyRelu',
  'Maximum',
  'Minimum',
  'Multiply',
  'Neg',
  'Relu',
  'Relu6',
  'RealDiv',
  'Select',
  'Selu',
  'Sigmoid',
  'Step',
  'Sub',
  'Tanh',
]);

/** Of these, the ones that may take a smaller float32 operand, such as a bias, and stay bfloat16. */
const affine = new Set(['Add', 'Multiply']);

/** How one kernel call treats narrow activations. */
export interface HalfRule {
  /** Inputs that are taken as they are stored; the others as float32. */
  readonly narrow: ReadonlySet<string>;
  /** Whether float32 results are rounded to bfloat16. */
  readonly round: boolean;
}

const none: HalfRule = { narrow: new Set(), round: false };

/** The rule of a kernel whose inputs are stored as the given nodes. */
export function halfRule(kernelName: string, inputs: Readonly<Record<string, Node>>): HalfRule {
  const factors = products[kernelName];
  if (factors !== undefined) return { narrow: new Set(factors), round: true };
  if (!movement.has(kernelName) && !elementwise.has(kernelName)) return none;
  const named = Object.entries(inputs).filter(([, { type }]) => type === 'f32' || type === 'bf16');
  if (movement.has(kernelName)) {
    // A filler such as PadV2's is an attribute, so all that is left is data: it moves as one type.
    const all = named.length > 0 && named.every(([, { type }]) => type === 'bf16');
    return all ? { narrow: new Set(named.map(([name]) => name)), round: false } : none;
  }
  const largest = Math.max(0, ...named.map(([, { size }]) => size));
  const whole = named.filter(([, { size }]) => size === largest);
  const smaller = named.filter(([, { size }]) => size < largest);
  const kept =
    whole.length > 0 &&
    whole.every(([, { type }]) => type === 'bf16') &&
    smaller.every(([, { type, size }]) => type === 'bf16' || size === 1 || affine.has(kernelName));
  return { narrow: new Set(), round: kept };
}

/** A result as it is stored. */
export function rounded(node: Node): Node {
  return node.type === 'f32' ? convert(node, 'bf16') : node;
}
