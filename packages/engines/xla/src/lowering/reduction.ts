/** Reductions, arg-reductions, softmax and cumulative sums. */
import { applyScalar, broadcastTo, reduceKeeping } from '../graph/broadcast.ts';
import {
  compare,
  constant,
  convert,
  divide,
  iota,
  reduce,
  reduceWindow,
  reverse,
  select,
  subtract,
  unary,
} from '../graph/hlo.ts';
import type { BinaryName } from '../graph/hlo.ts';
import type { Node } from '../graph/node.ts';
import { normalizeAxes } from './kernel.ts';
import type { KernelCall, Lowering, Lowerings } from './kernel.ts';

interface ReductionAttributes {
  readonly axis: number | number[] | undefined;
  /** What `Max` calls its axes. */
  readonly reductionIndices?: number | number[];
  readonly keepDims: boolean;
}

/** The value that changes nothing under `name`. */
function neutral(name: BinaryName, x: Node): number {
  if (name === 'add' || name === 'or') return 0;
  if (name === 'multiply' || name === 'and') return 1;
  const lowest = x.type === 'i32' ? -(2 ** 31) : -Infinity;
  return name === 'maximum' ? lowest : x.type === 'i32' ? 2 ** 31 - 1 : Infinity;
}

function axesOf(call: KernelCall, x: Node): number[] {
  const { reductionIndices, axis = reductionIndices } = call.attrs<ReductionAttributes>();
  return axis == null ? x.shape.map((_, i) => i) : normalizeAxes(axis, x.shape.length);
}

function reduceAxes(call: KernelCall, name: BinaryName, x: Node): Node {
  const axes = axesOf(call, x);
  const start = neutral(name, x);
  return call.attrs<ReductionAttributes>().keepDims
    ? reduceKeeping(name, x, start, axes)
    : reduce(name, x, start, axes);
}

const reduction =
  (name: BinaryName, prepare: (x: Node) => Node = (x) => x): Lowering =>
  (call) =>
    reduceAxes(call, name, prepare(call.node('x')));

const integer = (x: Node): Node => (x.type === 'i1' ? convert(x, 'i32') : x);
const truth = (x: Node): Node => (x.type === 'i1' ? x : compare('NE', x, constant(0, x.type, x.shape)));

/**
 * Index of the extreme value, the lowest one on ties: the extreme first, then the smallest index that has it. XLA's own
 * variadic form is several times slower on the CPU. NaN is passed over, as in TensorFlow.js.
 */
function argReduce(input: Node, axis: number, name: 'maximum' | 'minimum'): Node {
  const worst = constant(neutral(name, input), input.type, input.shape);
  const x = input.type === 'f32' ? select(compare('EQ', input, input), input, worst) : input;
  const extreme = reduceKeeping(name, x, neutral(name, x), [axis]);
  const hit = compare('EQ', x, broadcastTo(extreme, x.shape));
  const nowhere = constant(2 ** 31 - 1, 'i32', x.shape);
  return reduce('minimum', select(hit, iota('i32', x.shape, axis), nowhere), 2 ** 31 - 1, [axis]);
}

const argReduction =
  (name: 'maximum' | 'minimum'): Lowering =>
  (call) => {
    const x = integer(call.node('x'));
    const axes = axesOf(call, x);
    return argReduce(x, axes[0] ?? 0, name);
  };

/** softmax over the last axis and its logarithm's ingredients. */
function shifted(x: Node): { centered: Node; exponentials: Node; sum: Node } {
  const last = x.shape.length - 1;
  const centered = subtract(x, broadcastTo(reduceKeeping('maximum', x, -Infinity, [last]), x.shape));
  const exponentials = unary('exponential', centered);
  return { centered, exponentials, sum: reduceKeeping('add', exponentials, 0, [last]) };
}

/** Running sum or product along an axis, as one windowed reduction over everything before. */
function cumulative(call: KernelCall, name: 'add' | 'multiply'): Node {
  const { axis, exclusive, reverse: backwards } = call.attrs<{ axis: number; exclusive: boolean; reverse: boolean }>();
  const input = call.node('x');
  const x = input.type === 'i1' ? convert(input, 'i32') : input;
  const along = normalizeAxes(axis, x.shape.length)[0] as number;
  const length = x.shape[along] as number;
  const start = name === 'add' ? 0 : 1;
  const source = backwards ? reverse(x, [along]) : x;
  const shift = exclusive ? 1 : 0;
  const result = reduceWindow(name, source, start, {
    size: x.shape.map((_, i) => (i === along ? length : 1)),
    strides: x.shape.map(() => 1),
    padding: x.shape.map((_, i) => (i === along ? [length - 1 + shift, -shift] : [0, 0]) as [number, number]),
  });
  return backwards ? reverse(result, [along]) : result;
}

/** See the file header. */
export const reductions: Lowerings = {
  Sum: reduction('add', integer),
  Max: reduction('maximum', integer),
  Min: reduction('minimum', integer),
  Prod: reduction('multiply', integer),
  All: reduction('and', truth),
  Any: reduction('or', truth),
  Mean: (call) => {
    const x = convert(call.node('x'), 'f32');
    const axes = axesOf(call, x);
    const elements = axes.reduce((product, axis) => product * (x.shape[axis] as number), 1);
    return applyScalar('multiply', reduceAxes(call, 'add', x), 1 / elements);
  },
  ArgMax: argReduction('maximum'),
  ArgMin: argReduction('minimum'),
  Softmax: (call) => {
    const logits = convert(call.node('logits'), 'f32');
    const { dim } = call.attrs<{ dim: number }>();
    checkLast(dim, logits, 'Softmax');
    const { exponentials, sum } = shifted(logits);
    return divide(exponentials, broadcastTo(sum, logits.shape));
  },
  Cumsum: (call) => cumulative(call, 'add'),
  Cumprod: (call) => cumulative(call, 'multiply'),
};

function checkLast(axis: number, x: Node, name: string): void {
  const last = x.shape.length - 1;
  if (axis !== last && axis !== -1) throw new Error(`xla: ${name} is over the last axis, ${last}, but got ${axis}.`);
}
