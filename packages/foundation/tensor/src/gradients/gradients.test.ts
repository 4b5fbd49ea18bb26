import * as tf from '@tensorflow/tfjs-core';
import { readdirSync } from 'node:fs';
import { createRequire } from 'node:module';
import { dirname, join } from 'node:path';
import { beforeAll, describe, expect, it } from 'vitest';
import { gradientError, ofGradient, spreadValues as values, type GradientCase } from './finiteDifferences.ts';
import { registerComposedKernels } from '../kernels/index.ts';
import { fftOfPair, gradients, ifftOfPair, registerGradients } from './index.ts';

beforeAll(async () => {
  await tf.setBackend('cpu');
  registerComposedKernels('cpu');
  registerGradients();
});

interface Row {
  readonly name: string;
  /** Built inside the test, once the backend is there. */
  readonly build: () => GradientCase;
  /** Whether the gradient of the gradient is checked too. Default true. */
  readonly second?: boolean;
}

const unary = (
  name: string,
  f: (x: tf.Tensor) => tf.Tensor,
  low = -1.9,
  high = 1.9,
  extra: Partial<GradientCase> = {},
): Row => ({ name, build: () => ({ f: (x) => f(x!), inputs: [values([2, 3], low, high)], ...extra }) });

const binary = (name: string, f: (a: tf.Tensor, b: tf.Tensor) => tf.Tensor, low = -1.9, high = 1.9): Row[] =>
  [
    [
      [2, 3],
      [2, 3],
    ],
    [[2, 3], [3]],
    [
      [2, 1, 3],
      [4, 1],
    ],
    [[], [2, 2]],
    [[2, 2], []],
  ].map(([a, b]) => ({
    name: `${name} of [${a}] and [${b}]`,
    build: () => ({
      f: (x, y) => f(x!, y!),
      inputs: [values(a!, low, high), values(b!, low, high, 5.37)],
      step: 0.002,
    }),
  }));

/** Any function of tensors with the given shapes. */
const of = (
  name: string,
  shapes: number[][],
  f: (...xs: tf.Tensor[]) => tf.Tensor,
  options: { second?: boolean; low?: number; high?: number; step?: number } = {},
): Row => ({
  name,
  second: options.second ?? true,
  build: () => ({
    f,
    inputs: shapes.map((shape, i) => values(shape, options.low ?? -1, options.high ?? 1, 13 * i)),
    ...(options.step === undefined ? {} : { step: options.step }),
  }),
});

const ids = (list: number[], shape: number[] = [list.length]): tf.Tensor => tf.tensor(list, shape, 'int32');

const unaryRows: Row[] = [
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

const binaryRows: Row[] = [
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

const reductionRows: Row[] = [undefined, 0, 1, -1, [0, 2], [1, 2]].flatMap((axis) =>
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

const fftRows: Row[] = [
  of('fftOfPair', [[2, 2, 4]], (x) => fftOfPair(x!)),
  of('ifftOfPair', [[2, 3]], (x) => ifftOfPair(x!)),
];

const shapeRows: Row[] = [
  of('reshape', [[2, 3]], (x) => tf.square(tf.reshape(x!, [3, 2]))),
  of('expandDims and squeeze', [[2, 3]], (x) => tf.square(tf.squeeze(tf.expandDims(x!, 1)))),
  of('transpose', [[2, 3, 4]], (x) => tf.square(tf.transpose(x!, [2, 0, 1]))),
  of('reverse', [[2, 3]], (x) => tf.mul(tf.reverse(x!, 1), x!)),
  of(
    'concat',
    [
      [2, 1],
      [2, 3],
      [2, 2],
    ],
    (...xs) => tf.square(tf.concat(xs, 1)),
  ),
  of(
    'concat along -2',
    [
      [1, 2],
      [3, 2],
    ],
    (...xs) => tf.square(tf.concat(xs, -2)),
  ),
  of(
    'stack',
    [
      [2, 3],
      [2, 3],
    ],
    (...xs) => tf.square(tf.stack(xs, 1)),
  ),
  of('unstack', [[2, 3]], (x) => tf.mul(tf.unstack(x!, 1)[0]!, tf.unstack(x!, 1)[2]!)),
  of('unstack of one', [[2, 1]], (x) => tf.square(tf.unstack(x!, 1)[0]!)),
  of('split', [[2, 5]], (x) => tf.square(tf.split(x!, [2, 3], 1)[1]!)),
  of('tile', [[2, 1, 3]], (x) => tf.square(tf.tile(x!, [1, 2, 3]))),
  of('broadcastTo', [[1, 3]], (x) => tf.square(tf.broadcastTo(x!, [2, 4, 3]))),
  of('slice', [[3, 4]], (x) => tf.square(tf.slice(x!, [1, 1], [2, -1]))),
  of('slice of rows', [[3, 4]], (x) => tf.square(tf.slice(x!, 1))),
  of('pad', [[2, 3]], (x) =>
    tf.square(
      tf.pad(
        x!,
        [
          [1, 0],
          [2, 1],
        ],
        0.5,
      ),
    ),
  ),
  of('mirrorPad reflect', [[3, 4]], (x) =>
    tf.square(
      tf.mirrorPad(
        x!,
        [
          [2, 1],
          [1, 3],
        ],
        'reflect',
      ),
    ),
  ),
  of('mirrorPad symmetric', [[3, 4]], (x) =>
    tf.square(
      tf.mirrorPad(
        x!,
        [
          [3, 1],
          [0, 4],
        ],
        'symmetric',
      ),
    ),
  ),
  of('stridedSlice', [[5, 6]], (x) => tf.square(tf.stridedSlice(x!, [0, 1], [5, 6], [2, 3]))),
  of('stridedSlice backwards', [[5, 6]], (x) => tf.square(tf.stridedSlice(x!, [4, 5], [0, 0], [-2, -1]))),
  of('stridedSlice of an element', [[5, 6]], (x) =>
    tf.square(tf.stridedSlice(x!, [2, 1], [3, 6], [1, 1], 0, 0, 0, 0, 1)),
  ),
  of('spaceToBatchND', [[1, 3, 4, 1]], (x) =>
    tf.square(
      tf.spaceToBatchND(
        x!,
        [2, 2],
        [
          [0, 1],
          [2, 0],
        ],
      ),
    ),
  ),
  of('batchToSpaceND', [[4, 1, 2, 1]], (x) =>
    tf.square(
      tf.batchToSpaceND(
        x!,
        [2, 2],
        [
          [0, 1],
          [1, 0],
        ],
      ),
    ),
  ),
  of('depthToSpace', [[1, 2, 1, 8]], (x) => tf.square(tf.depthToSpace(x! as tf.Tensor4D, 2, 'NHWC'))),
  of('diag', [[2, 2]], (x) => tf.square(tf.diag(x!))),
  of('flipLeftRight', [[1, 2, 3, 1]], (x) => tf.square(tf.image.flipLeftRight(x! as tf.Tensor4D))),
];

const segmentRows: Row[] = [
  of('gather', [[4, 2]], (x) => tf.square(tf.gather(x!, ids([3, 1, 1])))),
  of('gather at indices of rank 2', [[4, 2]], (x) => tf.square(tf.gather(x!, ids([3, 1, 1, 0], [2, 2])))),
  of('gather along axis 1', [[2, 4, 3]], (x) => tf.square(tf.gather(x!, ids([3, 1, 1, 0], [2, 2]), 1))),
  of('gather along axis -1', [[2, 4]], (x) => tf.square(tf.gather(x!, ids([3, 1, 1]), -1))),
  of('gather with a batch axis', [[2, 3, 2]], (x) => tf.square(tf.gather(x!, ids([2, 2, 0, 1], [2, 2]), 1, 1))),
  of('gather with a batch axis, axis 2', [[2, 2, 3]], (x) => tf.square(tf.gather(x!, ids([2, 2, 0, 1], [2, 2]), 2, 1))),
  of('gatherND', [[3, 2, 2]], (x) => tf.square(tf.gatherND(x!, ids([2, 1, 0, 0, 2, 1], [3, 2])))),
  of('scatterND', [[3, 2]], (x) => tf.square(tf.scatterND(ids([2, 0, 2], [3, 1]), x!, [4, 2]))),
  of(
    'tensorScatterUpdate',
    [
      [4, 2],
      [2, 2],
    ],
    (x, u) => tf.square(tf.tensorScatterUpdate(x!, ids([2, 0], [2, 1]), u!)),
  ),
  of('sparseToDense', [[3], []], (v, d) => tf.square(tf.sparseToDense(ids([0, 2, 3]), v!, [5], d! as tf.Scalar))),
  of('unsortedSegmentSum', [[4, 2]], (x) => tf.square(tf.unsortedSegmentSum(x!, ids([2, 0, 2, 1]) as tf.Tensor1D, 3))),
  of('topk', [[2, 5]], (x) => tf.square(tf.topk(x!, 3).values)),
  of('sparseSegmentSum', [[4, 2]], (x) =>
    tf.square(tf.sparse.sparseSegmentSum(x!, ids([3, 1, 3]) as tf.Tensor1D, ids([0, 0, 1]) as tf.Tensor1D)),
  ),
  of('sparseSegmentMean', [[4, 2]], (x) =>
    tf.square(tf.sparse.sparseSegmentMean(x!, ids([3, 1, 3]) as tf.Tensor1D, ids([0, 0, 1]) as tf.Tensor1D)),
  ),
];

const matmulRows: Row[] = [false, true].flatMap((ta) =>
  [false, true].flatMap((tb) => {
    const a = ta ? [3, 2] : [2, 3];
    const b = tb ? [4, 3] : [3, 4];
    const mul = (x?: tf.Tensor, y?: tf.Tensor): tf.Tensor => tf.square(tf.matMul(x!, y!, ta, tb));
    const label = `matMul ${ta ? 'aT' : 'a'} ${tb ? 'bT' : 'b'}`;
    return [
      of(label, [a, b], mul),
      of(
        `${label}, batch`,
        [
          [2, ...a],
          [2, ...b],
        ],
        mul,
      ),
      of(`${label}, shared b`, [[2, ...a], b], mul),
      of(`${label}, shared a`, [a, [2, ...b]], mul),
    ];
  }),
);

const convolutionRows: Row[] = [
  ...[1, 2].flatMap((stride) =>
    (['same', 'valid', 1] as const).flatMap((pad) => [
      of(
        `conv2d, stride ${stride}, pad ${pad}`,
        [
          [1, 5, 4, 2],
          [3, 2, 2, 2],
        ],
        (x, w) => tf.conv2d(x! as tf.Tensor4D, w! as tf.Tensor4D, stride, pad),
      ),
      of(
        `depthwiseConv2d, stride ${stride}, pad ${pad}`,
        [
          [1, 5, 4, 2],
          [3, 2, 2, 2],
        ],
        (x, w) => tf.depthwiseConv2d(x! as tf.Tensor4D, w! as tf.Tensor4D, stride, pad),
      ),
    ]),
  ),
  of(
    'conv2d, dilation 2',
    [
      [1, 6, 5, 2],
      [2, 3, 2, 2],
    ],
    (x, w) => tf.conv2d(x! as tf.Tensor4D, w! as tf.Tensor4D, 1, 'same', 'NHWC', 2),
  ),
  of(
    'depthwiseConv2d, dilation 2',
    [
      [1, 6, 5, 2],
      [2, 3, 2, 1],
    ],
    (x, w) => tf.depthwiseConv2d(x! as tf.Tensor4D, w! as tf.Tensor4D, 1, 'same', 'NHWC', 2),
  ),
  of(
    'conv1d',
    [
      [1, 6, 2],
      [3, 2, 2],
    ],
    (x, w) => tf.conv1d(x! as tf.Tensor3D, w! as tf.Tensor3D, 2, 'same'),
  ),
  of(
    'conv2dTranspose',
    [
      [1, 3, 2, 2],
      [3, 3, 2, 2],
    ],
    (x, w) => tf.conv2dTranspose(x! as tf.Tensor4D, w! as tf.Tensor4D, [1, 6, 4, 2], 2, 'same'),
  ),
  of(
    'conv3d',
    [
      [1, 3, 4, 3, 2],
      [2, 2, 2, 2, 2],
    ],
    (x, w) => tf.conv3d(x! as tf.Tensor5D, w! as tf.Tensor5D, [1, 2, 1], 'same'),
  ),
  of(
    'conv3dTranspose',
    [
      [1, 2, 2, 2, 1],
      [2, 2, 2, 2, 1],
    ],
    (x, w) => tf.conv3dTranspose(x! as tf.Tensor5D, w! as tf.Tensor5D, [1, 4, 4, 4, 2], 2, 'same'),
  ),
  of(
    'dilation2d',
    [
      [1, 4, 4, 1],
      [2, 2, 1],
    ],
    (x, w) => tf.dilation2d(x! as tf.Tensor4D, w! as tf.Tensor3D, 1, 'valid'),
    { second: false },
  ),
];

const pool2d = { high: 3, step: 0.002 };

const poolingRows: Row[] = (['valid', 'same', 1] as const).flatMap((pad) => [
  of(`avgPool, pad ${pad}`, [[1, 5, 4, 2]], (x) => tf.avgPool(x! as tf.Tensor4D, [3, 2], 2, pad)),
  of(`maxPool, pad ${pad}`, [[1, 5, 4, 2]], (x) => tf.maxPool(x! as tf.Tensor4D, [3, 2], 2, pad), pool2d),
  of(`maxPool, overlapping, pad ${pad}`, [[2, 5, 4, 2]], (x) => tf.maxPool(x! as tf.Tensor4D, 3, 1, pad), pool2d),
  of(`avgPool3d, pad ${pad}`, [[1, 3, 4, 3, 1]], (x) => tf.avgPool3d(x! as tf.Tensor5D, 2, 1, pad)),
  of(`maxPool3d, pad ${pad}`, [[1, 3, 4, 3, 1]], (x) => tf.maxPool3d(x! as tf.Tensor5D, 2, 2, pad), {
    ...pool2d,
    second: false,
  }),
]);

const poolWithArgmax: Row = of(
  'maxPoolWithArgmax',
  [[1, 5, 4, 2]],
  (x) => tf.maxPoolWithArgmax(x! as tf.Tensor4D, 2, 2, 'same')['result']!,
  { ...pool2d, second: false },
);

const normalizationRows: Row[] = [
  of('batchNorm', [[2, 2, 2, 3], [3], [3], [3], [3]], (x, mean, variance, offset, scale) =>
    tf.batchNorm(
      x!,
      mean as tf.Tensor1D,
      tf.add(tf.square(variance!), 0.5),
      offset as tf.Tensor1D,
      scale as tf.Tensor1D,
    ),
  ),
  of('batchNorm of rank 2', [[4, 3], [3], [3], [3], [3]], (x, mean, variance, offset, scale) =>
    tf.batchNorm(
      x!,
      mean as tf.Tensor1D,
      tf.add(tf.square(variance!), 0.5),
      offset as tf.Tensor1D,
      scale as tf.Tensor1D,
    ),
  ),
  of(
    'localResponseNormalization',
    [[1, 2, 2, 4]],
    (x) => tf.localResponseNormalization(x! as tf.Tensor4D, 2, 1, 0.5, 0.75),
    {
      second: false,
    },
  ),
];

const resizeRows: Row[] = [
  [
    [1, 2, 3, 2],
    [4, 6],
  ],
  [
    [1, 2, 3, 2],
    [3, 7],
  ],
  [
    [2, 5, 4, 1],
    [3, 2],
  ],
].flatMap(([shape, size]) =>
  [
    [false, false],
    [true, false],
    [false, true],
  ].flatMap(([align, half]) => {
    const label = `[${shape}] to [${size}], alignCorners ${align}, halfPixelCenters ${half}`;
    const to = size as [number, number];
    return [
      of(`resizeBilinear, ${label}`, [shape!], (x) => tf.image.resizeBilinear(x! as tf.Tensor4D, to, align, half)),
      of(`resizeNearestNeighbor, ${label}`, [shape!], (x) =>
        tf.image.resizeNearestNeighbor(x! as tf.Tensor4D, to, align, half),
      ),
    ];
  }),
);

const cumulativeRows: Row[] = [false, true].flatMap((exclusive) =>
  [false, true].flatMap((reverse) => [
    of(`cumsum, exclusive ${exclusive}, reverse ${reverse}`, [[2, 3, 2]], (x) => tf.cumsum(x!, 1, exclusive, reverse)),
    of(`cumprod, exclusive ${exclusive}, reverse ${reverse}`, [[2, 3, 2]], (x) =>
      tf.cumprod(x!, 1, exclusive, reverse),
    ),
  ]),
);

const einsumRows: Row[] = [
  of(
    'einsum of a product',
    [
      [2, 3],
      [3, 4],
    ],
    (a, b) => tf.einsum('ij,jk->ik', a!, b!),
  ),
  of(
    'einsum of attention',
    [
      [2, 3, 2],
      [2, 4, 2],
    ],
    (a, b) => tf.einsum('bqd,bkd->bqk', a!, b!),
  ),
  of('einsum of a matrix and a vector', [[2, 3], [3]], (a, b) => tf.einsum('ij,j->i', a!, b!)),
  of('einsum of one operand', [[2, 3]], (a) => tf.einsum('ij->ji', a!)),
];

describe('prod and cumprod', () => {
  it('have the right gradient at zeros', () => {
    tf.tidy(() => {
      const x = tf.tensor1d([2, 0, 3]);
      expect([
        ...tf
          .grad((y) => tf.prod(y))(x)
          .dataSync(),
      ]).toEqual([0, 6, 0]);
      expect([
        ...tf
          .grad((y) => tf.cumprod(y))(x)
          .dataSync(),
      ]).toEqual([1, 8, 0]);
    });
  });
});

describe.each([
  ['unary', unaryRows],
  ['binary', binaryRows],
  ['reduction', reductionRows],
  ['shape', shapeRows],
  ['segment', segmentRows],
  ['matmul', matmulRows],
  ['convolution', convolutionRows],
  ['pooling', [...poolingRows, poolWithArgmax]],
  ['normalization', normalizationRows],
  ['resize', resizeRows],
  ['cumulative', cumulativeRows],
  ['einsum', einsumRows],
  ['fft', fftRows],
])('%s gradients', (_, rows) => {
  it.each(rows)('$name', ({ build, second = true }) => {
    const before = tf.memory().numTensors;
    const gradientCase = build();
    expect(gradientError(gradientCase)).toBeLessThan(gradientCase.tolerance ?? 0.01);
    if (second) expect(gradientError(ofGradient(gradientCase))).toBeLessThan(0.03);
    tf.dispose([...gradientCase.inputs]);
    expect(tf.memory().numTensors).toBe(before);
  });
});

describe('registerGradients', () => {
  it('can be called again without registering anything', () => {
    const first = tf.getGradient('Exp');
    registerGradients();
    expect(tf.getGradient('Exp')).toBe(first);
  });

  it('names each kernel once', () => {
    const names = gradients.map((rule) => rule.kernelName);
    expect(new Set(names).size).toBe(names.length);
  });

  it('has a rule for every kernel that TensorFlow.js has one for', () => {
    const core = dirname(createRequire(import.meta.url).resolve('@tensorflow/tfjs-core'));
    const theirs = readdirSync(join(core, 'gradients')).flatMap((file) => file.match(/^(\w+)_grad\.js$/)?.[1] ?? []);
    expect(theirs.length).toBeGreaterThan(90);
    const ours = new Set(gradients.map((rule) => rule.kernelName));
    expect(theirs.filter((name) => !ours.has(name))).toEqual([]);
  });

  it('says why a complex tensor has no gradient', () => {
    const x = tf.tensor1d([1, 2]);
    const magnitude = (y: tf.Tensor): tf.Tensor => tf.abs(tf.complex(y, y));
    expect(() => tf.grad(magnitude)(x)).toThrow('ComplexAbs: expected a real input');
    x.dispose();
  });
});
