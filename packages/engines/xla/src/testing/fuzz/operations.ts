/**
 * The operations of the fuzz tests: for each, what it may be applied to and what comes out, known from kinds alone, and
 * how to run it. Values stay bounded and away from poles, so that engines may differ by rounding only.
 */
import { tf } from '@tesserae/tensor';
import type { Dice } from './dice.ts';
import type { Kind } from './program.ts';

/** What to apply an operation to, and what comes out. */
export interface Plan {
  readonly settings?: Readonly<Record<string, unknown>>;
  readonly kind: Kind;
}

interface Operation {
  readonly inputs: number;
  /** Undefined where it does not fit. */
  plan(dice: Dice, kinds: readonly Kind[]): Plan | undefined;
  run(inputs: readonly tf.Tensor[], settings: Readonly<Record<string, unknown>>): tf.Tensor;
}

const size = (shape: readonly number[]): number => shape.reduce((product, length) => product * length, 1);
/** A float keeps 24 binary digits. */
const exactly = (bound: number, digits: number | undefined): number | undefined =>
  digits !== undefined && Math.log2(Math.max(bound, 1)) + digits <= 22 ? digits : undefined;
const float = (shape: readonly number[], bound: number, digits?: number): Kind => ({
  shape,
  dtype: 'float32',
  bound,
  digits: exactly(bound, digits),
});
const isFloat = ({ dtype }: Kind): boolean => dtype === 'float32';
const isNumber = ({ dtype }: Kind): boolean => dtype !== 'bool';
const isExact = ({ digits }: Kind): boolean => digits !== undefined;
const limit = 1e4;
const maximumSize = 600;

/** A function of floats, element by element, into -bound…bound. */
const smooth = (fn: (x: tf.Tensor) => tf.Tensor, bound: number): Operation => ({
  inputs: 1,
  plan: (_, [x]) => (isFloat(x!) ? { kind: float(x!.shape, bound) } : undefined),
  run: ([x]) => fn(x!),
});

/** A function of exact values, element by element. */
const exact = (fn: (x: tf.Tensor) => tf.Tensor, kind: (x: Kind) => Kind): Operation => ({
  inputs: 1,
  plan: (_, [x]) => (isFloat(x!) && isExact(x!) ? { kind: kind(x!) } : undefined),
  run: ([x]) => fn(x!),
});

/** The settings of operations that move elements: each reads those that its plan made. */
interface Moves {
  readonly axis: number;
  readonly order: number[];
  readonly begin: number[];
  readonly sizes: number[];
  readonly paddings: [number, number][];
  readonly times: number[];
  readonly indices: number[];
}

/** A function that moves elements of any dtype. */
const moving = (
  plan: (dice: Dice, x: Kind) => { settings?: Readonly<Record<string, unknown>>; shape: readonly number[] } | undefined,
  run: (x: tf.Tensor, settings: Moves) => tf.Tensor,
): Operation => ({
  inputs: 1,
  plan(dice, [x]) {
    const planned = plan(dice, x!);
    if (planned === undefined || size(planned.shape) > maximumSize) return undefined;
    return { settings: planned.settings ?? {}, kind: { ...x!, shape: planned.shape } };
  },
  run: ([x], settings) => run(x!, settings as unknown as Moves),
});

function broadcast(a: readonly number[], b: readonly number[]): number[] | undefined {
  const rank = Math.max(a.length, b.length);
  const shape: number[] = [];
  for (let i = 1; i <= rank; i++) {
    const [x, y] = [a.at(-i) ?? 1, b.at(-i) ?? 1];
    if (x !== y && x !== 1 && y !== 1) return undefined;
    shape.unshift(Math.max(x, y));
  }
  return size(shape) > maximumSize ? undefined : shape;
}

/** Two numbers of one dtype, broadcast. */
const binary = (
  fn: (a: tf.Tensor, b: tf.Tensor) => tf.Tensor,
  out: (a: Kind, b: Kind) => { bound: number; digits: number | undefined; dtype?: Kind['dtype'] } | undefined,
): Operation => ({
  inputs: 2,
  plan(_, [a, b]) {
    if (a!.dtype !== b!.dtype || !isNumber(a!)) return undefined;
    const shape = broadcast(a!.shape, b!.shape);
    const result = out(a!, b!);
    if (shape === undefined || result === undefined || result.bound > limit) return undefined;
    const dtype = result.dtype ?? a!.dtype;
    return { kind: { shape, dtype, bound: result.bound, digits: exactly(result.bound, result.digits) } };
  },
  run: ([a, b]) => fn(a!, b!),
});
const sumOf = (a: Kind, b: Kind) => ({ bound: a.bound + b.bound, digits: digitsOf(a, b, Math.max) });
const largerOf = (a: Kind, b: Kind) => ({ bound: Math.max(a.bound, b.bound), digits: digitsOf(a, b, Math.max) });
const digitsOf = (a: Kind, b: Kind, fn: (x: number, y: number) => number): number | undefined =>
  a.digits === undefined || b.digits === undefined ? undefined : fn(a.digits, b.digits);
const truth = (a: Kind, b: Kind) =>
  isExact(a) && isExact(b) ? { bound: 1, digits: 0, dtype: 'bool' as const } : undefined;

/** A reduction over some axes; `bound` from that of the elements and how many there are. */
const reduction = (
  fn: (x: tf.Tensor, axes: number[], keep: boolean) => tf.Tensor,
  out: (x: Kind, count: number) => { bound: number; digits?: number | undefined },
): Operation => ({
  inputs: 1,
  plan(dice, [x]) {
    if (!isFloat(x!) || x!.shape.length === 0) return undefined;
    const axes = dice.some(x!.shape.map((_, axis) => axis));
    const keep = dice.chance(0.3);
    const shape = x!.shape.flatMap((length, axis) => (axes.includes(axis) ? (keep ? [1] : []) : [length]));
    const { bound, digits } = out(x!, size(axes.map((axis) => x!.shape[axis]!)));
    return bound > limit ? undefined : { settings: { axes, keep }, kind: float(shape, bound, digits) };
  },
  run: ([x], { axes, keep }) => fn(x!, axes as number[], keep as boolean),
});

/** Functions whose composition is differentiated; each keeps or changes the shape. */
const links: Readonly<Record<string, (x: tf.Tensor) => tf.Tensor>> = {
  tanh: (x) => tf.tanh(x),
  sigmoid: (x) => tf.sigmoid(x),
  product: (x) => tf.mul(tf.tanh(x), tf.sin(x)),
  quotient: (x) => tf.div(tf.sin(x), tf.add(tf.square(tf.tanh(x)), 1)),
  softmax: (x) => tf.softmax(tf.reshape(tf.tanh(x), [1, -1])),
  turned: (x) => tf.transpose(x),
  twice: (x) => tf.concat([tf.reshape(x, [1, -1]), tf.reshape(tf.sin(x), [1, -1])], 0),
  part: (x) => tf.slice(tf.reshape(x, [-1]), [0], [Math.ceil(x.size / 2)]),
  outer: (x) => tf.matMul(tf.reshape(tf.tanh(x), [-1, 1]), tf.reshape(tf.sin(x), [1, -1])),
  centred: (x) => tf.sub(x, tf.mean(x)),
  padded: (x) => tf.pad(tf.reshape(x, [-1]), [[1, 2]]),
  softplus: (x) => tf.softplus(tf.sin(x)),
};

const chain = (x: tf.Tensor, names: readonly string[]): tf.Tensor =>
  names.reduce((value, name) => links[name]!(value), x);

/** See the file header. */
export const operations: Readonly<Record<string, Operation>> = {
  tanh: smooth((x) => tf.tanh(x), 1),
  sigmoid: smooth((x) => tf.sigmoid(x), 1),
  exp: smooth((x) => tf.exp(tf.clipByValue(x, -3, 2)), 8),
  log: smooth((x) => tf.log(tf.add(tf.abs(x), 1)), 10),
  sqrt: smooth((x) => tf.sqrt(tf.add(tf.square(x), 1)), limit),
  rsqrt: smooth((x) => tf.rsqrt(tf.add(tf.square(x), 1)), 1),
  sine: smooth((x) => tf.sin(tf.tanh(x)), 1),
  erf: smooth((x) => tf.erf(x), 1),
  quotient: smooth((x) => tf.div(x, tf.add(tf.abs(x), 2)), 1),
  softmax: {
    inputs: 1,
    plan: (_, [x]) => (isFloat(x!) && x!.shape.length > 0 && x!.bound <= 50 ? { kind: float(x!.shape, 1) } : undefined),
    run: ([x]) => tf.softmax(x!),
  },

  negate: exact(
    (x) => tf.neg(x),
    (x) => x,
  ),
  abs: exact(
    (x) => tf.abs(x),
    (x) => x,
  ),
  relu: exact(
    (x) => tf.relu(x),
    (x) => x,
  ),
  floor: exact(
    (x) => tf.floor(x),
    (x) => ({ ...x, bound: x.bound + 1, digits: 0 }),
  ),
  sign: exact(
    (x) => tf.sign(x),
    (x) => ({ ...x, bound: 1, digits: 0 }),
  ),
  round: exact(
    (x) => tf.round(x),
    (x) => ({ ...x, bound: x.bound + 1, digits: 0 }),
  ),
  'to integers': exact(
    (x) => tf.cast(x, 'int32'),
    (x) => ({ ...x, dtype: 'int32', digits: 0 }),
  ),
  'to floats': {
    inputs: 1,
    plan: (_, [x]) => (isFloat(x!) ? undefined : { kind: float(x!.shape, x!.bound, 0) }),
    run: ([x]) => tf.cast(x!, 'float32'),
  },
  argMax: {
    inputs: 1,
    plan(dice, [x]) {
      if (!isFloat(x!) || !isExact(x!) || x!.shape.length === 0) return undefined;
      const axis = dice.below(x!.shape.length);
      const shape = x!.shape.filter((_, i) => i !== axis);
      return { settings: { axis }, kind: { shape, dtype: 'int32', bound: x!.shape[axis]!, digits: 0 } };
    },
    run: ([x], { axis }) => tf.argMax(x!, axis as number),
  },

  add: binary((a, b) => tf.add(a, b), sumOf),
  subtract: binary((a, b) => tf.sub(a, b), sumOf),
  multiply: binary(
    (a, b) => tf.mul(a, b),
    (a, b) => ({ bound: a.bound * b.bound, digits: digitsOf(a, b, (x, y) => x + y) }),
  ),
  maximum: binary((a, b) => tf.maximum(a, b), largerOf),
  minimum: binary((a, b) => tf.minimum(a, b), largerOf),
  'squared difference': binary(
    (a, b) => tf.squaredDifference(a, b),
    (a, b) => ({ bound: (a.bound + b.bound) ** 2, digits: digitsOf(a, b, (x, y) => 2 * Math.max(x, y)) }),
  ),
  greater: binary((a, b) => tf.greater(a, b), truth),
  lessEqual: binary((a, b) => tf.lessEqual(a, b), truth),
  equal: binary((a, b) => tf.equal(a, b), truth),
  where: {
    inputs: 3,
    plan(_, [condition, a, b]) {
      const fits =
        condition!.dtype === 'bool' && a!.dtype === b!.dtype && tf.util.arraysEqual([...a!.shape], [...b!.shape]);
      if (!fits || !tf.util.arraysEqual([...condition!.shape], [...a!.shape])) return undefined;
      return { kind: { ...a!, ...largerOf(a!, b!) } };
    },
    run: ([condition, a, b]) => tf.where(condition!, a!, b!),
  },

  sum: reduction(
    (x, axes, keep) => tf.sum(x, axes, keep),
    (x, count) => ({ bound: x.bound * count, digits: x.digits }),
  ),
  mean: reduction(
    (x, axes, keep) => tf.mean(x, axes, keep),
    (x) => ({ bound: x.bound }),
  ),
  max: reduction(
    (x, axes, keep) => tf.max(x, axes, keep),
    ({ bound, digits }) => ({ bound, digits }),
  ),
  min: reduction(
    (x, axes, keep) => tf.min(x, axes, keep),
    ({ bound, digits }) => ({ bound, digits }),
  ),
  logSumExp: reduction(
    (x, axes, keep) => tf.logSumExp(x, axes, keep),
    (x) => ({ bound: x.bound > 50 ? Infinity : x.bound + 8 }),
  ),

  clone: moving(
    (_, { shape }) => ({ shape }),
    (x) => tf.clone(x),
  ),
  flatten: moving(
    (_, { shape }) => ({ shape: [size(shape)] }),
    (x) => tf.reshape(x, [-1]),
  ),
  'one more axis': moving(
    (dice, { shape }) => {
      const axis = dice.below(shape.length + 1);
      return shape.length < 5 ? { settings: { axis }, shape: shape.toSpliced(axis, 0, 1) } : undefined;
    },
    (x, { axis }) => tf.expandDims(x, axis),
  ),
  transpose: moving(
    (dice, { shape }) => {
      const order = dice.shuffled(shape.map((_, axis) => axis));
      return { settings: { order }, shape: order.map((axis) => shape[axis]!) };
    },
    (x, { order }) => tf.transpose(x, order),
  ),
  reverse: moving(
    (dice, { shape, dtype }) =>
      shape.length > 0 && dtype !== 'bool' ? { settings: { axis: dice.below(shape.length) }, shape } : undefined,
    (x, { axis }) => tf.reverse(x, axis),
  ),
  slice: moving(
    (dice, { shape }) => {
      if (shape.length === 0) return undefined;
      const begin = shape.map((length) => dice.below(length));
      const sizes = shape.map((length, axis) => 1 + dice.below(length - begin[axis]!));
      return { settings: { begin, sizes }, shape: sizes };
    },
    (x, { begin, sizes }) => tf.slice(x, begin, sizes),
  ),
  pad: moving(
    (dice, { shape, dtype }) => {
      if (shape.length === 0 || dtype === 'bool') return undefined;
      const paddings = shape.map(() => [dice.below(2), dice.below(2)]);
      return {
        settings: { paddings },
        shape: shape.map((length, axis) => length + paddings[axis]![0]! + paddings[axis]![1]!),
      };
    },
    (x, { paddings }) => tf.pad(x, paddings),
  ),
  tile: moving(
    (dice, { shape }) => {
      const times = shape.map(() => 1 + dice.below(2));
      return shape.length > 0
        ? { settings: { times }, shape: shape.map((length, axis) => length * times[axis]!) }
        : undefined;
    },
    (x, { times }) => tf.tile(x, times),
  ),
  gather: moving(
    (dice, { shape }) => {
      if (shape.length === 0) return undefined;
      const axis = dice.below(shape.length);
      const indices = Array.from({ length: 1 + dice.below(4) }, () => dice.below(shape[axis]!));
      return { settings: { axis, indices }, shape: shape.with(axis, indices.length) };
    },
    (x, { axis, indices }) => tf.gather(x, tf.tensor1d(indices, 'int32'), axis),
  ),
  'joined with itself': moving(
    (dice, { shape }) => {
      if (shape.length === 0) return undefined;
      const axis = dice.below(shape.length);
      return { settings: { axis }, shape: shape.with(axis, 2 * shape[axis]!) };
    },
    (x, { axis }) => tf.concat([x, x], axis),
  ),
  'running sum': {
    inputs: 1,
    plan(dice, [x]) {
      if (!isFloat(x!) || x!.shape.length === 0 || x!.bound > 100) return undefined;
      const axis = dice.below(x!.shape.length);
      return {
        settings: { axis, exclusive: dice.chance(0.5) },
        kind: float(x!.shape, x!.bound * x!.shape[axis]!, x!.digits),
      };
    },
    run: ([x], { axis, exclusive }) => tf.cumsum(x!, axis as number, exclusive as boolean),
  },

  matMul: {
    inputs: 2,
    plan(dice, [a, b]) {
      if (!isFloat(a!) || !isFloat(b!) || a!.shape.length !== 2 || b!.shape.length !== 2) return undefined;
      const [ta, tb] = [dice.chance(0.5), dice.chance(0.5)];
      const [rows, inner] = ta ? [a!.shape[1]!, a!.shape[0]!] : [a!.shape[0]!, a!.shape[1]!];
      const [other, columns] = tb ? [b!.shape[1]!, b!.shape[0]!] : [b!.shape[0]!, b!.shape[1]!];
      const bound = a!.bound * b!.bound * inner;
      if (inner !== other || bound > limit) return undefined;
      return {
        settings: { ta, tb },
        kind: float(
          [rows, columns],
          bound,
          digitsOf(a!, b!, (x, y) => x + y),
        ),
      };
    },
    run: ([a, b], { ta, tb }) => tf.matMul(a!, b!, ta as boolean, tb as boolean),
  },
  conv2d: {
    inputs: 1,
    plan(dice, [x]) {
      if (!isFloat(x!) || x!.shape.length !== 4 || x!.bound > 100) return undefined;
      const filters = 1 + dice.below(3);
      return { settings: { filters }, kind: float([...x!.shape.slice(0, 3), filters], limit) };
    },
    run: ([x], { filters }) => {
      const shape: [number, number, number, number] = [2, 2, x!.shape[3]!, filters as number];
      const filter = tf.reshape(tf.sin(tf.range(0, tf.util.sizeFromShape(shape))), shape);
      return tf.conv2d(x as tf.Tensor4D, filter as tf.Tensor4D, 1, 'same');
    },
  },
  gradient: {
    inputs: 1,
    plan(dice, [x]) {
      if (!isFloat(x!) || x!.bound > 50 || size(x!.shape) > 60) return undefined;
      const names = Array.from({ length: 1 + dice.below(3) }, () => dice.one(Object.keys(links)));
      return { settings: { names }, kind: float(x!.shape, limit) };
    },
    run: ([x], { names }) => tf.grad((v: tf.Tensor) => tf.sum(tf.sin(chain(v, names as string[]))))(x!),
  },
};
