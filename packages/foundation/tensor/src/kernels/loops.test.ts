import * as tf from '@tensorflow/tfjs-core';
import { beforeAll, describe, it } from 'vitest';
import { bools, compare, ints, startBackends, v, w, type Case } from './compare.ts';

beforeAll(startBackends);

const shapePairs = [
  [
    [7, 5],
    [7, 5],
  ],
  [[7, 5], [5]],
  [
    [7, 5],
    [7, 1],
  ],
  [
    [3, 1, 5],
    [4, 1],
  ],
  [[], [3, 2]],
  [[2, 3, 4], []],
] as const;

const binaryCases: Case[] = (
  [
    'maximum',
    'minimum',
    'mod',
    'floorDiv',
    'equal',
    'notEqual',
    'greater',
    'greaterEqual',
    'less',
    'lessEqual',
  ] as const
).flatMap((op) =>
  shapePairs.flatMap(([a, b]): Case[] => [
    [
      `${op} of [${a}] and [${b}]`,
      () => {
        // Small integers, so that equal ones and whole quotients occur.
        const x = tf.round(tf.mul(v(...a), 3));
        const y = tf.add(tf.abs(tf.round(tf.mul(w(...b), 3))), 1);
        return tf.cast(tf[op](x, y), 'float32');
      },
    ],
  ]),
);

const elementwiseCases: Case[] = [
  ...shapePairs.map(([a, b]): Case => [`pow of [${a}] and [${b}]`, () => tf.pow(tf.abs(v(...a)), w(...b))]),
  ...shapePairs.map(([a, b]): Case => [`atan2 of [${a}] and [${b}]`, () => tf.atan2(v(...a), w(...b))]),
  ...shapePairs.map(([a, b]): Case => [
    `where of [${a}] and [${b}]`,
    () => tf.where(tf.greater(v(...a), 0), v(...a), w(...b)),
  ]),
  [
    'logical',
    () => [
      tf.logicalAnd(bools([true, true, false]), bools([true, false, false])),
      tf.logicalOr(bools([true, true, false]), bools([true, false, false])),
      tf.where(bools([true, false]), bools([false, false]), bools([true, true])),
      tf.where(bools([true, false]), ints([1, 2]), ints([3, 4])),
    ],
  ],
  [
    'NaN',
    () => [
      tf.maximum(tf.tensor1d([NaN, 1]), tf.tensor1d([1, NaN])),
      tf.minimum(tf.tensor1d([NaN, 1]), tf.tensor1d([1, NaN])),
      tf.tanh(tf.tensor1d([NaN, Infinity, -Infinity])),
    ],
  ],
  ['mod of negatives', () => tf.mod(tf.tensor1d([-3, 3, -3, 5.5]), tf.tensor1d([2, -2, -2, -2]))],
  [
    'integers',
    () => [
      tf.mod(ints([-3, 3, 7]), ints([2, 2, -4])),
      tf.maximum(ints([-3, 3, 7]), ints([2, 2, 9])),
      tf.floorDiv(ints([-3, 3, 7]), ints([2, 2, 2])),
      tf.clipByValue(ints([3, -1, 5]), 0, 4),
      tf.isNaN(ints([3, -1])),
      tf.isFinite(ints([3, -1])),
      tf.isInf(ints([3, -1])),
      tf.greater(ints([3, -1], [2, 1]), ints([0, 5, 2], [1, 3])),
    ],
  ],
  ['prelu', () => [[4], [1], [3, 1], [2, 3, 4], []].map((shape) => tf.prelu(v(2, 3, 4), w(...shape)))],
  ['clipping NaN', () => tf.clipByValue(tf.tensor1d([NaN, 5, -5]), -1, 1)],
  ['clone', () => [tf.clone(v(2)), tf.clone(tf.complex(v(2), w(2))), tf.clone(tf.tensor1d(['a']))]],
  ['bincount of rank 2', () => tf.bincount(ints([0, 2, 2, 1], [2, 2]) as tf.Tensor1D, tf.tensor1d([]), 3)],
  ['pooling with a border as wide as the window', () => tf.maxPool(v(1, 2, 2, 3) as tf.Tensor4D, 1, 2, 1)],
  ['tanh', () => tf.tanh(tf.mul(v(300), 10)), 1e-6],
  ['tanh near zero', () => tf.mul(tf.tanh(tf.mul(v(300), 1e-3)), 1e3), 1e-6],
  ['sin and cos', () => [tf.sin(tf.mul(v(50), 30)), tf.cos(tf.mul(v(50), 30))], 1e-6],
  ['seven axes', () => tf.add(v(2, 1, 2, 1, 2, 1, 2), w(1, 2, 1, 2, 1, 2, 1))],
];

const movementCases: Case[] = [
  [
    'tile',
    () => [
      tf.tile(v(3, 1, 5), [2, 3, 2]),
      tf.tile(ints([1, 2]), [3]),
      tf.tile(bools([true, false]), [2]),
      tf.tile(v(1), [50]),
      tf.tile(v(2, 30), [3, 1]),
      tf.tile(tf.tensor1d(['a', 'b']), [2]),
    ],
  ],
  ['broadcastTo', () => [tf.broadcastTo(v(3, 1), [3, 40]), tf.broadcastTo(v(1, 3, 1), [2, 3, 4])]],
  [
    'slice',
    () => [
      tf.slice(v(4, 5, 6), [1, 2, 3], [2, -1, 2]),
      tf.slice(v(4, 40), [0, 5], [4, 30]),
      tf.slice(ints([1, 2, 3]), 1, 2),
      tf.slice(bools([true, false, true]), 1, 2),
      tf.slice(v(2, 2, 2, 2, 2, 2), [0, 1, 0, 1, 0, 1], [2, 1, 2, 1, 2, 1]),
      tf.slice(tf.tensor1d(['a', 'b', 'c']), 1, 2),
    ],
  ],
  [
    'split',
    () => [...tf.split(v(4, 9), [2, 4, 3], 1), ...tf.split(ints([1, 2, 3, 4]), 2), ...tf.split(v(4, 40), 2, -1)],
  ],
  [
    'stridedSlice',
    () => [
      tf.stridedSlice(v(9, 8), [1, 0], [9, 8], [2, 3]),
      tf.stridedSlice(v(9, 8), [8, 7], [0, 0], [-2, -1]),
      tf.stridedSlice(ints([1, 2, 3, 4]), [0], [4], [2]),
      tf.stridedSlice(v(5, 6), [2, 0], [3, 6], [1, 2], 0, 0, 0, 0, 1),
      tf.stridedSlice(v(5, 6), [0, 0], [0, 0], [1, 2]),
    ],
  ],
  [
    'reverse',
    () => [tf.reverse(v(3, 4, 5), [0, 2]), tf.reverse(bools([true, false, false])), tf.reverse(ints([1, 2, 3]))],
  ],
  ['oneHot', () => [tf.oneHot(ints([0, 2, 5, -1]), 3, 2, 0.5, 'float32'), tf.oneHot(ints([1, 0], [2, 1]), 3)]],
  [
    'cast',
    () => [
      tf.cast(tf.tensor1d([0, 2, -0.5]), 'bool'),
      tf.cast(ints([0, 2]), 'bool'),
      tf.cast(tf.tensor1d([1.7, -1.7]), 'int32'),
      tf.cast(bools([true, false]), 'float32'),
    ],
  ],
  [
    'gather',
    () => [
      tf.gather(v(6, 5), ints([5, 0, 3, 3], [2, 2])),
      tf.gather(v(3, 6, 2), ints([5, 0, 3]), 1),
      tf.gather(v(2, 3, 4), ints([2, 2, 0, 1], [2, 2]), 1, 1),
      tf.gather(ints([7, 8, 9]), ints([2, 0])),
      tf.gather(bools([true, false]), ints([1, 0])),
    ],
  ],
  [
    'scatterND',
    () => [
      tf.scatterND(ints([2, 0, 2], [3, 1]), v(3, 2), [4, 2]),
      tf.scatterND(ints([1, 1, 0, 0], [2, 2]), ints([5, 6]), [2, 2]),
    ],
  ],
  [
    'unsortedSegmentSum',
    () => [
      tf.unsortedSegmentSum(v(5, 3), ints([2, 0, 2, -1, 7]) as tf.Tensor1D, 4),
      tf.unsortedSegmentSum(ints([1, 2, 3]), ints([1, 1, 0]) as tf.Tensor1D, 2),
    ],
  ],
  [
    'tensorScatterUpdate',
    () => {
      const x = v(4, 2);
      return [tf.tensorScatterUpdate(x, ints([2, 0], [2, 1]), w(2, 2)), x];
    },
  ],
];

const reductionCases: Case[] = [[0], [1], [2], [0, 1], [1, 2], [0, 2], [0, 1, 2]].flatMap((axes) =>
  [false, true].map((keep): Case => [
    `sum and mean along [${axes}], keepDims ${keep}`,
    () => [tf.sum(v(4, 3, 5), axes, keep), tf.mean(v(4, 3, 5), axes, keep)],
  ]),
);
reductionCases.push(['sums of nothing', () => [tf.sum(tf.zeros([0, 3]), 0), tf.sum(tf.zeros([2, 0]), 1)]]);

describe.each([
  ['binary operations', binaryCases],
  ['elementwise', elementwiseCases],
  ['movement', movementCases],
  ['reductions', reductionCases],
])('%s on wasm and cpu', (_, cases) => {
  it.each(cases)('%s', async (_name, f, tolerance) => {
    await compare(f, tolerance);
  });
});
