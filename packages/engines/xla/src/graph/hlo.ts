/**
 * StableHLO operations as functions of nodes. One function per operation, named as in the StableHLO specification, with
 * shapes inferred; numpy-style conveniences (broadcasting, keeping dimensions) are in broadcast.ts.
 */
import type { ElementType, HostArray } from '../pjrt/element-type.ts';
import { denseText, splatText } from './literal.ts';
import { Node, sameShape, typeText } from './node.ts';
import type { TensorType } from './node.ts';

/** Makes the node of an operation with one result. */
export function operation(
  name: string,
  inputs: readonly Node[],
  type: ElementType,
  shape: readonly number[],
  attributes = '',
  regions = '',
): Node {
  return new Node(type, shape, { name, inputs, attributes, regions, index: 0, results: undefined });
}

/** Makes the nodes of an operation with several results. */
export function operations(
  name: string,
  inputs: readonly Node[],
  results: readonly TensorType[],
  attributes = '',
  regions = '',
): Node[] {
  const first = results[0] as TensorType;
  const parent = new Node(first.type, first.shape, { name, inputs, attributes, regions, index: 0, results });
  return results.map(
    ({ type, shape }, index) =>
      new Node(type, shape, {
        name: 'result',
        inputs: [parent],
        attributes: '',
        regions: '',
        index,
        results: undefined,
      }),
  );
}

/** An attribute of 64-bit integers: `array<i64: 1, 2>`. */
export const i64s = (values: readonly number[]): string =>
  values.length === 0 ? 'array<i64>' : `array<i64: ${values.join(', ')}>`;

/** One value everywhere. */
export function constant(value: number, type: ElementType, shape: readonly number[] = []): Node {
  return operation('stablehlo.constant', [], type, shape, `value = ${splatText(value, type, shape)}`);
}

/** Given values, as part of the program's text: for tables of a few hundred numbers that follow from shapes alone. */
export function literal(values: HostArray, type: ElementType, shape: readonly number[]): Node {
  return operation('stablehlo.constant', [], type, shape, `value = ${denseText(values, type, shape)}`);
}

/** Elementwise operations of one operand that keep the type. */
export type UnaryName =
  | 'abs'
  | 'cbrt'
  | 'ceil'
  | 'cosine'
  | 'exponential'
  | 'exponential_minus_one'
  | 'floor'
  | 'log'
  | 'log_plus_one'
  | 'logistic'
  | 'negate'
  | 'not'
  | 'round_nearest_even'
  | 'rsqrt'
  | 'sign'
  | 'sine'
  | 'sqrt'
  | 'tan'
  | 'tanh';

/** Elementwise `name(x)`. */
export function unary(name: UnaryName, x: Node): Node {
  return operation(`stablehlo.${name}`, [x], x.type, x.shape);
}

/** Elementwise operations of the CHLO dialect, which XLA expands. */
export type ChloName =
  'acos' | 'acosh' | 'asin' | 'asinh' | 'atan' | 'atanh' | 'cosh' | 'erf' | 'erf_inv' | 'sinh' | 'lgamma' | 'digamma';

/** Elementwise `chlo.name(x)`. */
export function chlo(name: ChloName, x: Node): Node {
  return operation(`chlo.${name}`, [x], x.type, x.shape);
}

/** Elementwise operations of two operands of one type and shape. */
export type BinaryName =
  | 'add'
  | 'and'
  | 'atan2'
  | 'divide'
  | 'maximum'
  | 'minimum'
  | 'multiply'
  | 'or'
  | 'power'
  | 'remainder'
  | 'shift_left'
  | 'shift_right_arithmetic'
  | 'shift_right_logical'
  | 'subtract'
  | 'xor';

/** Elementwise `name(a, b)`. */
export function binary(name: BinaryName, a: Node, b: Node): Node {
  same(name, a, b);
  return operation(`stablehlo.${name}`, [a, b], a.type, a.shape);
}

export const add = (a: Node, b: Node): Node => binary('add', a, b);
export const subtract = (a: Node, b: Node): Node => binary('subtract', a, b);
export const multiply = (a: Node, b: Node): Node => binary('multiply', a, b);
export const divide = (a: Node, b: Node): Node => binary('divide', a, b);
export const maximum = (a: Node, b: Node): Node => binary('maximum', a, b);
export const minimum = (a: Node, b: Node): Node => binary('minimum', a, b);

/** Directions of {@link compare}. */
export type Direction = 'EQ' | 'NE' | 'LT' | 'LE' | 'GT' | 'GE';

/** Elementwise comparison, of type i1. */
export function compare(direction: Direction, a: Node, b: Node): Node {
  same(`compare ${direction}`, a, b);
  return operation(
    'stablehlo.compare',
    [a, b],
    'i1',
    a.shape,
    `comparison_direction = #stablehlo<comparison_direction ${direction}>`,
  );
}

/** Elementwise choice; `condition` has the shape of the others. */
export function select(condition: Node, onTrue: Node, onFalse: Node): Node {
  same('select', onTrue, onFalse);
  return operation('stablehlo.select', [condition, onTrue, onFalse], onTrue.type, onTrue.shape);
}

/** Conversion of values; a node of that type already is returned as it is, and so is what was widened from it. */
export function convert(x: Node, type: ElementType): Node {
  if (type === 'bf16' && x.type === 'f32' && x.operation?.name === 'stablehlo.convert') {
    const [source] = x.operation.inputs as readonly [Node];
    if (source.type === 'bf16') return source;
  }
  return x.type === type ? x : operation('stablehlo.convert', [x], type, x.shape);
}

/** The same bits as another type of the same width. */
export function bitcast(x: Node, type: ElementType): Node {
  return x.type === type ? x : operation('stablehlo.bitcast_convert', [x], type, x.shape);
}

/** The same elements in another shape. */
export function reshape(x: Node, shape: readonly number[]): Node {
  return sameShape(x.shape, shape) ? x : operation('stablehlo.reshape', [x], x.type, shape);
}

/** Repeats along new or unit dimensions; `dimensions[i]` is where dimension i of x goes. */
export function broadcastInDim(x: Node, shape: readonly number[], dimensions: readonly number[]): Node {
  if (sameShape(x.shape, shape)) return x;
  return operation('stablehlo.broadcast_in_dim', [x], x.type, shape, `broadcast_dimensions = ${i64s(dimensions)}`);
}

/** Permutes dimensions. */
export function transpose(x: Node, permutation: readonly number[]): Node {
  if (permutation.every((from, to) => from === to)) return x;
  const shape = permutation.map((from) => x.shape[from] as number);
  return operation('stablehlo.transpose', [x], x.type, shape, `permutation = ${i64s(permutation)}`);
}

/** Reverses along dimensions. */
export function reverse(x: Node, dimensions: readonly number[]): Node {
  return operation('stablehlo.reverse', [x], x.type, x.shape, `dimensions = ${i64s(dimensions)}`);
}

/** Elements start, start + stride, … below limit along each dimension. */
export function slice(x: Node, start: readonly number[], limit: readonly number[], strides?: readonly number[]): Node {
  const steps = strides ?? start.map(() => 1);
  const shape = start.map((from, i) => Math.max(0, Math.ceil(((limit[i] as number) - from) / (steps[i] as number))));
  if (sameShape(shape, x.shape) && steps.every((step) => step === 1)) return x;
  const attributes = `start_indices = ${i64s(start)}, limit_indices = ${i64s(limit)}, strides = ${i64s(steps)}`;
  return operation('stablehlo.slice', [x], x.type, shape, attributes);
}

/** A block of `sizes` at starts given by i32 scalars; starts are clamped so that the block fits. */
export function dynamicSlice(x: Node, starts: readonly Node[], sizes: readonly number[]): Node {
  return operation('stablehlo.dynamic_slice', [x, ...starts], x.type, sizes, `slice_sizes = ${i64s(sizes)}`);
}

/** x with `update` written at starts given by i32 scalars, clamped so that it fits. */
export function dynamicUpdateSlice(x: Node, update: Node, starts: readonly Node[]): Node {
  return operation('stablehlo.dynamic_update_slice', [x, update, ...starts], x.type, x.shape);
}

/** Joins along a dimension. */
export function concatenate(inputs: readonly Node[], dimension: number): Node {
  const first = inputs[0] as Node;
  if (inputs.length === 1) return first;
  const shape = [...first.shape];
  shape[dimension] = inputs.reduce((sum, input) => sum + (input.shape[dimension] as number), 0);
  return operation('stablehlo.concatenate', inputs, first.type, shape, `dimension = ${dimension} : i64`);
}

/** Surrounds (negative: crops) and spreads with a scalar value. */
export function pad(
  x: Node,
  value: Node,
  low: readonly number[],
  high: readonly number[],
  interior?: readonly number[],
): Node {
  const inner = interior ?? low.map(() => 0);
  const shape = x.shape.map(
    (size, i) => size + Math.max(0, size - 1) * (inner[i] as number) + (low[i] as number) + (high[i] as number),
  );
  if ([...low, ...high, ...inner].every((amount) => amount === 0)) return x;
  const attributes = `edge_padding_low = ${i64s(low)}, edge_padding_high = ${i64s(high)}, interior_padding = ${i64s(inner)}`;
  return operation('stablehlo.pad', [x, value], x.type, shape, attributes);
}

/** 0, 1, 2, … along a dimension. */
export function iota(type: ElementType, shape: readonly number[], dimension: number): Node {
  return operation('stablehlo.iota', [], type, shape, `iota_dimension = ${dimension} : i64`);
}

/** A region of one binary operation on scalars: what reductions and scatters combine with. */
export function combiner(name: BinaryName, type: ElementType): string {
  const scalar = typeText(type, []);
  return `({ ^bb0(%ra: ${scalar}, %rb: ${scalar}): %rr = "stablehlo.${name}"(%ra, %rb) : (${scalar}, ${scalar}) -> ${scalar} "stablehlo.return"(%rr) : (${scalar}) -> () })`;
}

/** Reduces dimensions away with a binary operation. */
export function reduce(name: BinaryName, x: Node, initial: number, dimensions: readonly number[]): Node {
  if (dimensions.length === 0) return x;
  const shape = x.shape.filter((_, i) => !dimensions.includes(i));
  const start = constant(initial, x.type);
  return operation(
    'stablehlo.reduce',
    [x, start],
    x.type,
    shape,
    `dimensions = ${i64s(dimensions)}`,
    combiner(name, x.type),
  );
}

/** Dimensions of {@link dotGeneral}. */
export interface DotDimensions {
  readonly lhsBatch: readonly number[];
  readonly rhsBatch: readonly number[];
  readonly lhsContract: readonly number[];
  readonly rhsContract: readonly number[];
}

/** How exactly products are computed: XLA's DEFAULT may use tf32 on a GPU. */
export type DotPrecision = 'DEFAULT' | 'HIGH' | 'HIGHEST';

const precisionConfig = (precision: DotPrecision): string =>
  `precision_config = [#stablehlo<precision ${precision}>, #stablehlo<precision ${precision}>]`;

/** Generalised matrix product: [batch…, lhs free…, rhs free…]. */
export function dotGeneral(
  a: Node,
  b: Node,
  dims: DotDimensions,
  precision: DotPrecision,
  type: ElementType = a.type,
): Node {
  const free = (x: Node, batch: readonly number[], contract: readonly number[]): number[] =>
    x.shape.filter((_, i) => !batch.includes(i) && !contract.includes(i));
  const shape = [
    ...dims.lhsBatch.map((i) => a.shape[i] as number),
    ...free(a, dims.lhsBatch, dims.lhsContract),
    ...free(b, dims.rhsBatch, dims.rhsContract),
  ];
  const list = (values: readonly number[]): string => `[${values.join(', ')}]`;
  const numbers =
    `dot_dimension_numbers = #stablehlo.dot<lhs_batching_dimensions = ${list(dims.lhsBatch)}, rhs_batching_dimensions = ${list(dims.rhsBatch)}, ` +
    `lhs_contracting_dimensions = ${list(dims.lhsContract)}, rhs_contracting_dimensions = ${list(dims.rhsContract)}>`;
  return operation('stablehlo.dot_general', [a, b], type, shape, `${numbers}, ${precisionConfig(precision)}`);
}

/** Attributes of {@link convolution}. */
export interface ConvolutionConfig {
  /** Dimension letters, for example `[b, 0, 1, f]x[0, 1, i, o]->[b, 0, 1, f]`. */
  readonly dimensions: string;
  readonly strides: readonly number[];
  readonly padding: readonly (readonly [number, number])[];
  readonly lhsDilation: readonly number[];
  readonly rhsDilation: readonly number[];
  readonly featureGroups: number;
  readonly batchGroups?: number;
  readonly precision: DotPrecision;
}

/** General convolution with a given result shape. */
export function convolution(
  lhs: Node,
  rhs: Node,
  config: ConvolutionConfig,
  type: ElementType,
  shape: readonly number[],
): Node {
  const { padding } = config;
  const bools = config.padding.map(() => 'false').join(', ');
  const attributes = [
    `window_strides = ${i64s(config.strides)}`,
    `padding = dense<[${padding.map(([low, high]) => `[${low}, ${high}]`).join(', ')}]> : tensor<${padding.length}x2xi64>`,
    `lhs_dilation = ${i64s(config.lhsDilation)}`,
    `rhs_dilation = ${i64s(config.rhsDilation)}`,
    `window_reversal = array<i1: ${bools}>`,
    `dimension_numbers = #stablehlo.conv<${config.dimensions}>`,
    `feature_group_count = ${config.featureGroups} : i64`,
    `batch_group_count = ${config.batchGroups ?? 1} : i64`,
    precisionConfig(config.precision),
  ].join(', ');
  return operation('stablehlo.convolution', [lhs, rhs], type, shape, attributes);
}

/** Windows of {@link reduceWindow}, one entry a dimension. */
export interface Window {
  readonly size: readonly number[];
  readonly strides: readonly number[];
  readonly padding: readonly (readonly [number, number])[];
  readonly dilation?: readonly number[];
  readonly baseDilation?: readonly number[];
}

function windowAttributes(window: Window): string {
  const pairs = window.padding.map(([low, high]) => `[${low}, ${high}]`).join(', ');
  return (
    `window_dimensions = ${i64s(window.size)}, window_strides = ${i64s(window.strides)}, ` +
    `padding = dense<[${pairs}]> : tensor<${window.padding.length}x2xi64>`
  );
}

/** Reduces each window with a binary operation. */
export function reduceWindow(name: BinaryName, x: Node, initial: number, window: Window): Node {
  const ones = window.size.map(() => 1);
  const dilation = window.dilation ?? ones;
  const base = window.baseDilation ?? ones;
  const shape = x.shape.map((size, i) => {
    const [low, high] = window.padding[i] as readonly [number, number];
    const spread = (size - 1) * (base[i] as number) + 1;
    const reach = ((window.size[i] as number) - 1) * (dilation[i] as number) + 1;
    return Math.max(0, Math.floor((spread + low + high - reach) / (window.strides[i] as number)) + 1);
  });
  const attributes = `${windowAttributes(window)}, base_dilations = ${i64s(base)}, window_dilations = ${i64s(dilation)}`;
  return operation(
    'stablehlo.reduce_window',
    [x, constant(initial, x.type)],
    x.type,
    shape,
    attributes,
    combiner(name, x.type),
  );
}

/** Limits to [low, high], scalars or of x's shape. */
export function clamp(low: Node, x: Node, high: Node): Node {
  return operation('stablehlo.clamp', [low, x, high], x.type, x.shape);
}

/** A complex number of two floats. */
export function complex(real: Node, imag: Node): Node {
  return operation('stablehlo.complex', [real, imag], 'complex<f32>', real.shape);
}

export const real = (x: Node): Node => operation('stablehlo.real', [x], 'f32', x.shape);
export const imag = (x: Node): Node => operation('stablehlo.imag', [x], 'f32', x.shape);

/** Fourier transform of the last dimension. */
export function fft(x: Node, kind: 'FFT' | 'IFFT'): Node {
  const length = x.shape[x.shape.length - 1] as number;
  return operation(
    'stablehlo.fft',
    [x],
    x.type,
    x.shape,
    `fft_type = #stablehlo<fft_type ${kind}>, fft_length = array<i64: ${length}>`,
  );
}

function same(name: string, a: Node, b: Node): void {
  if (a.type !== b.type || !sameShape(a.shape, b.shape)) {
    throw new Error(`internal: xla ${name} of ${a.text} and ${b.text}; operands must agree.`);
  }
}
