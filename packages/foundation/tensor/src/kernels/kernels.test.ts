import { setWasmPaths } from '@tensorflow/tfjs-backend-wasm';
import * as tf from '@tensorflow/tfjs-core';
import { createRequire } from 'node:module';
import { dirname, sep } from 'node:path';
import { beforeAll, describe, expect, it } from 'vitest';
import { spreadValues } from '../gradients/finiteDifferences.ts';
import { registerGradients } from '../gradients/index.ts';
import { hostBlocks } from './hostBridge.ts';
import { registerComposedKernels } from './index.ts';

beforeAll(async () => {
  setWasmPaths(dirname(createRequire(import.meta.url).resolve('@tensorflow/tfjs-backend-wasm')) + sep);
  await tf.setBackend('wasm');
  registerComposedKernels('wasm');
  registerGradients();
  await tf.setBackend('cpu');
});

type Outcome = { values: number[] | string[]; shape: number[]; dtype: string };

/** Runs on a backend, in a scope; checks that neither tensors nor blocks stay behind. */
async function on(backend: string, f: () => tf.Tensor | tf.Tensor[]): Promise<Outcome[]> {
  await tf.setBackend(backend);
  const before = { tensors: tf.memory().numTensors, blocks: tf.engine().backend.numDataIds() };
  const outcomes = tf.tidy(() => {
    const result = f();
    return (Array.isArray(result) ? result : [result]).map((x) => ({
      values: [...(x.dataSync() as unknown as number[])],
      shape: x.shape,
      dtype: x.dtype,
    }));
  });
  const after = { tensors: tf.memory().numTensors, blocks: tf.engine().backend.numDataIds() };
  expect(after).toEqual(before);
  expect(hostBlocks()).toBe(0);
  return outcomes;
}

/** Compares a function of fresh inputs on the WebAssembly backend with the CPU backend. */
async function compare(f: () => tf.Tensor | tf.Tensor[], tolerance = 1e-4): Promise<void> {
  const expected = await on('cpu', f);
  const actual = await on('wasm', f);
  expect(actual.map(({ shape, dtype }) => ({ shape, dtype }))).toEqual(
    expected.map(({ shape, dtype }) => ({ shape, dtype })),
  );
  actual.forEach(({ values }, o) => {
    const wanted = expected[o]?.values ?? [];
    values.forEach((value, i) => {
      const other = wanted[i];
      if (typeof value !== 'number' || typeof other !== 'number') return expect(value).toEqual(other);
      if (Object.is(value, other) || value === other) return;
      const error = Math.abs(value - other) / (1 + Math.abs(other));
      if (!(error <= tolerance)) expect.fail(`output ${o}, element ${i}: expected ${other}, received ${value}`);
    });
  });
}

type Case = [name: string, f: () => tf.Tensor | tf.Tensor[], tolerance?: number];

const v = (...shape: number[]): tf.Tensor => spreadValues(shape, -1, 1);
const w = (...shape: number[]): tf.Tensor => spreadValues(shape, -1, 1, 5.3);
const ints = (values: number[], shape: number[] = [values.length]): tf.Tensor => tf.tensor(values, shape, 'int32');
const bools = (values: boolean[]): tf.Tensor => tf.tensor1d(values, 'bool');
const run = (name: string, inputs: Record<string, tf.Tensor>, attrs: object): tf.Tensor =>
  tf.engine().runKernel(name, inputs, attrs as tf.NamedAttrMap) as tf.Tensor;

const transposes = [false, true].flatMap((a) => [false, true].map((b) => [a, b] as const));
const paddings = [
  'same',
  'valid',
  1,
  [
    [0, 0],
    [2, 1],
    [0, 2],
    [0, 0],
  ],
] as const;

const matmulCases: Case[] = transposes.flatMap(([ta, tb]): Case[] => {
  const a = ta ? [19, 23] : [23, 19];
  const b = tb ? [21, 19] : [19, 21];
  const label = `matMul ${ta ? 'aT' : 'a'} ${tb ? 'bT' : 'b'}`;
  return [
    [label, () => tf.matMul(v(...a), w(...b), ta, tb)],
    [`${label}, batch`, () => tf.matMul(v(3, ...a), w(3, ...b), ta, tb)],
    [`${label}, shared b`, () => tf.matMul(v(3, ...a), w(...b), ta, tb)],
    [`${label}, shared a`, () => tf.matMul(v(...a), w(3, ...b), ta, tb)],
    [`${label}, small`, () => tf.matMul(v(5, ...(ta ? [3, 2] : [2, 3])), w(5, ...(tb ? [4, 3] : [3, 4])), ta, tb)],
  ];
});
matmulCases.push(
  [
    'matMul with broadcast batches',
    () => [
      tf.matMul(v(2, 1, 23, 19), w(1, 3, 19, 21)),
      tf.matMul(v(2, 3, 23, 19), w(2, 1, 19, 21)),
      tf.matMul(v(3, 23, 19), w(2, 3, 19, 21)),
    ],
  ],
  [
    'matMul after a reshape',
    () => {
      const b = w(40, 20);
      return [tf.matMul(v(9, 40), b), tf.matMul(v(9, 20), tf.reshape(b, [20, 40])), tf.matMul(v(9, 40), b)];
    },
  ],
  [
    'matMul of empty sides',
    () => [tf.matMul(tf.zeros([2, 0]), tf.zeros([0, 3])), tf.matMul(tf.zeros([0, 2]), v(2, 3))],
  ],
  ['matMul of integers', () => tf.matMul(ints([1, 2, 3, 4], [2, 2]), ints([5, 6, 7, 8], [2, 2]))],
  ['fused matMul', () => tf.fused.matMul({ a: v(5, 7), b: w(3, 7), transposeB: true, bias: v(3), activation: 'relu' })],
  [
    'fused matMul, leaky',
    () => tf.fused.matMul({ a: v(5, 7), b: w(7, 3), activation: 'leakyrelu', leakyreluAlpha: 0.3 }),
  ],
  [
    'einsum',
    () => [
      tf.einsum('bqd,bkd->bqk', v(2, 3, 4), w(2, 5, 4)),
      tf.einsum('ij->ji', v(2, 3)),
      tf.einsum('ij,k->i', v(2, 3), w(4)),
      tf.einsum('i,j->', v(2), w(3)),
      tf.einsum('bhtd,bhsd->bhts', v(2, 2, 3, 4), w(2, 2, 5, 4)),
    ],
  ],
);

const convolutionCases: Case[] = paddings.flatMap((pad) =>
  [1, 2, 3].flatMap((stride): Case[] => {
    const label = `stride ${stride}, pad ${JSON.stringify(pad)}`;
    const shapes = { x: [2, 9, 7, 3], filter: [3, 2, 3, 5] };
    const dyOf = (depthwise = false): tf.Tensor => {
      const info = tf.backend_util.computeConv2DInfo(
        shapes.x as [number, number, number, number],
        shapes.filter as [number, number, number, number],
        stride,
        1,
        pad as 'same',
        'floor',
        depthwise,
      );
      return w(...info.outShape);
    };
    const attrs = { strides: [stride, stride], pad, dataFormat: 'NHWC', dimRoundingMode: 'floor' };
    const plain: Case[] = [
      [
        `Conv2DBackpropInput, ${label}`,
        () =>
          run('Conv2DBackpropInput', { dy: dyOf(), filter: v(...shapes.filter) }, { ...attrs, inputShape: shapes.x }),
      ],
      [
        `Conv2DBackpropFilter, ${label}`,
        () => run('Conv2DBackpropFilter', { x: v(...shapes.x), dy: dyOf() }, { ...attrs, filterShape: shapes.filter }),
      ],
    ];
    if (Array.isArray(pad)) return plain;
    const depthwise = { ...attrs, dilations: [1, 1] };
    return [
      ...plain,
      [
        `DepthwiseConv2dNativeBackpropInput, ${label}`,
        () =>
          run(
            'DepthwiseConv2dNativeBackpropInput',
            { dy: dyOf(true), filter: v(...shapes.filter) },
            { ...depthwise, inputShape: shapes.x },
          ),
      ],
      [
        `DepthwiseConv2dNativeBackpropFilter, ${label}`,
        () =>
          run(
            'DepthwiseConv2dNativeBackpropFilter',
            { x: v(...shapes.x), dy: dyOf(true) },
            { ...depthwise, filterShape: shapes.filter },
          ),
      ],
    ];
  }),
);
convolutionCases.push(
  [
    'conv2d, channels first',
    () =>
      tf.conv2d(
        v(1, 3, 6, 5) as tf.Tensor4D,
        w(3, 2, 3, 4) as tf.Tensor4D,
        1,
        [
          [0, 0],
          [0, 0],
          [1, 0],
          [0, 2],
        ],
        'NCHW',
      ),
  ],
  [
    'conv2dTranspose',
    () => tf.conv2dTranspose(v(2, 4, 5, 3) as tf.Tensor4D, w(4, 4, 2, 3) as tf.Tensor4D, [2, 8, 10, 2], 2, 'same'),
  ],
  [
    'depthwise with dilation',
    () => {
      const [x, filter] = [v(1, 8, 7, 2), w(2, 3, 2, 2)] as [tf.Tensor4D, tf.Tensor4D];
      const y = tf.depthwiseConv2d(x, filter, 1, 'same', 'NHWC', 2);
      return tf.grads((a, b) => tf.depthwiseConv2d(a as tf.Tensor4D, b as tf.Tensor4D, 1, 'same', 'NHWC', 2))(
        [x, filter],
        y,
      );
    },
  ],
  [
    'a filter larger than the stride reaches',
    () =>
      run(
        'Conv2DBackpropFilter',
        { x: v(1, 6, 6, 2), dy: w(1, 2, 2, 3) },
        { strides: [3, 3], pad: 'valid', dataFormat: 'NHWC', filterShape: [1, 1, 2, 3] },
      ),
  ],
);

const convolution3dCases: Case[] = (['same', 'valid'] as const).flatMap((pad) =>
  [1, [2, 1, 2]].map((strides): Case => [
    `conv3d and its gradients, strides ${strides}, pad ${pad}`,
    () => {
      const x = v(2, 5, 4, 5, 2) as tf.Tensor5D;
      const filter = w(3, 2, 2, 2, 3) as tf.Tensor5D;
      const y = tf.conv3d(x, filter, strides as number, pad);
      const attrs = { strides, pad };
      return [
        y,
        run('Conv3DBackpropInputV2', { dy: y, filter }, { ...attrs, inputShape: x.shape }),
        run('Conv3DBackpropFilterV2', { x, dy: y }, { ...attrs, filterShape: filter.shape }),
      ];
    },
    1e-3,
  ]),
);

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

const complexCases: Case[] = [1, 2, 3, 5, 8, 12, 31].flatMap((n): Case[] => [
  [
    `fft of ${n}`,
    () => {
      const y = tf.fft(tf.complex(v(2, n), w(2, n)));
      return [tf.real(y), tf.imag(y)];
    },
  ],
  [
    `ifft of ${n}`,
    () => {
      const y = tf.ifft(tf.complex(v(2, n), w(2, n)));
      return [tf.real(y), tf.imag(y)];
    },
  ],
]);
complexCases.push(
  ['complex values', () => tf.complex(v(3), w(3))],
  ['abs', () => tf.abs(tf.complex(v(3), w(3)))],
  ['rfft and irfft', () => [tf.abs(tf.spectral.rfft(v(2, 6))), tf.spectral.irfft(tf.spectral.rfft(v(2, 6)))]],
  [
    'complex arithmetic',
    () => {
      const [a, b] = [tf.complex(v(2, 3), w(2, 3)), tf.complex(w(2, 3), v(2, 3))];
      return [
        tf.add(a, b),
        tf.sub(a, b),
        tf.mul(a, b),
        tf.concat([a, b], 1),
        tf.zerosLike(a),
        tf.cast(v(2), 'complex64'),
        tf.cast(a, 'float32'),
        // Last: on the CPU backend it also changes the shape of the parts of `a`.
        tf.reshape(a, [3, 2]),
      ];
    },
  ],
);

const hostCases: Case[] = [
  ['staticRegexReplace', () => tf.string.staticRegexReplace(tf.tensor1d(['abc', 'xbz']), 'b', '-')],
  [
    'RaggedRange',
    () =>
      tf
        .engine()
        .runKernel('RaggedRange', { starts: ints([0, 5]), limits: ints([3, 7]), deltas: ints([1, 1]) }) as tf.Tensor[],
  ],
  [
    'Conv2DBackpropFilter, channels first',
    () =>
      run(
        'Conv2DBackpropFilter',
        { x: v(1, 2, 5, 5), dy: w(1, 3, 3, 3) },
        { strides: [1, 1], pad: 'valid', dataFormat: 'NCHW', filterShape: [3, 3, 2, 3] },
      ),
  ],
];

describe.each([
  ['matrix products', matmulCases],
  ['convolution', convolutionCases],
  ['3-D convolution', convolution3dCases],
  ['binary operations', binaryCases],
  ['elementwise', elementwiseCases],
  ['movement', movementCases],
  ['reductions', reductionCases],
  ['complex numbers', complexCases],
  ['the host', hostCases],
])('%s on wasm and cpu', (_, cases) => {
  it.each(cases)('%s', async (_name, f, tolerance) => {
    await compare(f, tolerance);
  });
});

describe('registerComposedKernels', () => {
  it('leaves no kernel of the CPU backend out', () => {
    const names = tf.getKernelsForBackend('cpu').map(({ kernelName }) => kernelName);
    expect(names.filter((name) => tf.getKernel(name, 'wasm') === undefined)).toEqual([]);
  });

  it('can be called again', () => {
    const kernel = tf.getKernel('BatchMatMul', 'wasm');
    registerComposedKernels('wasm');
    expect(tf.getKernel('BatchMatMul', 'wasm')).toBe(kernel);
  });

  it('names what is out of range', async () => {
    await tf.setBackend('wasm');
    tf.tidy(() => {
      expect(() => tf.gather(v(3, 2), ints([3]))).toThrow('the index value 3 is not in [0, 2]');
      expect(() => tf.scatterND(ints([4], [1, 1]), v(1, 2), [3, 2])).toThrow('expected index 0 in [0, 3), received 4');
    });
  });
});
