/** Gradients to check of functions of elements, and of reductions. */
import * as tf from '@tensorflow/tfjs-core';
import { binary, of, unary, type Row } from './testRows.ts';

export const unaryRows: Row[] = [
  unary('abs', tf.abs),
  unary('acos', tf.acos, -0.8, 0.8),
  unary('acosh', tf.acosh, 1.5, 3),
  unary('asin', tf.asin, -0.8, 0.8),
  unary('asinh', tf.asinh),
  unary('atan', tf.atan),
  unary('atanh', tf.atanh, -0.8, 0.8),
  unary('ceil', (x) => tf.add(x, tf.ceil(x)), 0.6, 0.9),
  unary('clipByValue', (x) => tf.clipByValue(x, -0.5, 0.7)),
  unary('cos', tf.cos),
  unary('cosh', tf.cosh),
  unary('elu', tf.elu),
  unary('erf', tf.erf),
  unary('exp', tf.exp),
  unary('expm1', tf.expm1),
  unary('floor', (x) => tf.add(x, tf.floor(x)), 0.6, 0.9),
  unary('leakyRelu', (x) => tf.leakyRelu(x, 0.3)),
  unary('log', tf.log, 0.5, 3),
  unary('log1p', tf.log1p, -0.5, 3),
  unary('neg', tf.neg),
  unary('reciprocal', tf.reciprocal, 0.5, 2),
  unary('relu', tf.relu),
  unary('relu6', tf.relu6, -2, 8),
  unary('round', (x) => tf.add(x, tf.round(x)), 0.6, 0.9),
  unary('rsqrt', tf.rsqrt, 0.5, 3),
  unary('selu', tf.selu),
  unary('sigmoid', tf.sigmoid),
  unary('sign', (x) => tf.add(x, tf.sign(x)), 0.6, 0.9),
  unary('sin', tf.sin),
  unary('sinh', tf.sinh),
  unary('softplus', tf.softplus),
  unary('sqrt', tf.sqrt, 0.5, 3),
  unary('square', tf.square),
  unary('step', (x) => tf.add(x, tf.step(x, 0.2))),
  unary('tan', tf.tan, -0.9, 0.9),
  unary('tanh', tf.tanh),
  unary('onesLike and zerosLike', (x) => tf.add(tf.add(tf.onesLike(x), tf.zerosLike(x)), x)),
  unary('clone', (x) => tf.clone(x)),
  unary('isNaN, isInf, isFinite', (x) =>
    tf.addN([x, tf.cast(tf.isNaN(x), 'float32'), tf.cast(tf.isInf(x), 'float32'), tf.cast(tf.isFinite(x), 'float32')]),
  ),
  unary('softmax', (x) => tf.softmax(x)),
  { ...unary('logSoftmax', (x) => tf.logSoftmax(x)), second: false },
  unary('logSumExp', (x) => tf.logSumExp(x, 1)),
];

export const binaryRows: Row[] = [
  ...binary('add', tf.add),
  ...binary('sub', tf.sub),
  ...binary('mul', tf.mul),
  ...binary('div', tf.div, 0.5, 2),
  ...binary('maximum', tf.maximum),
  ...binary('minimum', tf.minimum),
  ...binary('squaredDifference', tf.squaredDifference),
  ...binary('pow', tf.pow, 0.5, 2),
  ...binary('atan2', tf.atan2, 0.5, 2),
  ...binary('prelu', tf.prelu).slice(0, 2),
  of('mod', [[2, 3], [3]], (a, b) => tf.mod(a!, tf.add(b!, 2.3))),
  of('comparisons', [[2, 3], [3]], (a, b) =>
    tf.addN(
      [tf.less, tf.lessEqual, tf.greater, tf.greaterEqual, tf.equal, tf.notEqual].map((op, i) =>
        tf.mul(tf.mul(tf.cast(op(a!, b!), 'float32'), i + 1), tf.add(a!, b!)),
      ),
    ),
  ),
  of(
    'floorDiv',
    [
      [2, 3],
      [2, 3],
    ],
    (a, b) => tf.add(a!, tf.floorDiv(a!, tf.add(b!, 2.3))),
  ),
  of('addN', [[2], [2], [2]], (...xs) => tf.addN(xs)),
  of(
    'where',
    [
      [2, 3],
      [2, 3],
    ],
    (a, b) => tf.where(tf.greater(a!, 0), tf.square(a!), tf.square(b!)),
  ),
  of(
    'where with a broadcast condition',
    [
      [2, 3],
      [2, 3],
    ],
    (a, b) => tf.where(tf.tensor2d([[true], [false]], [2, 1], 'bool'), tf.square(a!), tf.square(b!)),
  ),
];

export const reductionRows: Row[] = [undefined, 0, 1, -1, [0, 2], [1, 2]].flatMap((axis) =>
  [false, true].flatMap((keep) => {
    const label = `axis ${String(axis)}, keepDims ${keep}`;
    return [
      of(`sum, ${label}`, [[2, 3, 2]], (x) => tf.square(tf.sum(x!, axis, keep))),
      of(`mean, ${label}`, [[2, 3, 2]], (x) => tf.square(tf.mean(x!, axis, keep))),
      of(`max, ${label}`, [[2, 3, 2]], (x) => tf.square(tf.max(x!, axis, keep))),
      of(`min, ${label}`, [[2, 3, 2]], (x) => tf.square(tf.min(x!, axis, keep))),
      of(`prod, ${label}`, [[2, 2, 2]], (x) => tf.prod(x!, axis, keep), { second: false }),
    ];
  }),
);

export const cumulativeRows: Row[] = [false, true].flatMap((exclusive) =>
  [false, true].flatMap((reverse) => [
    of(`cumsum, exclusive ${exclusive}, reverse ${reverse}`, [[2, 3, 2]], (x) => tf.cumsum(x!, 1, exclusive, reverse)),
    of(`cumprod, exclusive ${exclusive}, reverse ${reverse}`, [[2, 3, 2]], (x) =>
      tf.cumprod(x!, 1, exclusive, reverse),
    ),
  ]),
);
