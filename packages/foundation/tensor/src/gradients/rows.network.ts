/** Gradients to check of what networks are made of: products, convolutions, pooling, normalisation, resizing. */
import * as tf from '@tensorflow/tfjs-core';
import { of, type Row } from './testRows.ts';

export const matmulRows: Row[] = [false, true].flatMap((ta) =>
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

export const convolutionRows: Row[] = [
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

export const poolingRows: Row[] = (['valid', 'same', 1] as const).flatMap((pad) => [
  of(`avgPool, pad ${pad}`, [[1, 5, 4, 2]], (x) => tf.avgPool(x! as tf.Tensor4D, [3, 2], 2, pad)),
  of(`maxPool, pad ${pad}`, [[1, 5, 4, 2]], (x) => tf.maxPool(x! as tf.Tensor4D, [3, 2], 2, pad), pool2d),
  of(`maxPool, overlapping, pad ${pad}`, [[2, 5, 4, 2]], (x) => tf.maxPool(x! as tf.Tensor4D, 3, 1, pad), pool2d),
  of(`avgPool3d, pad ${pad}`, [[1, 3, 4, 3, 1]], (x) => tf.avgPool3d(x! as tf.Tensor5D, 2, 1, pad)),
  of(`maxPool3d, pad ${pad}`, [[1, 3, 4, 3, 1]], (x) => tf.maxPool3d(x! as tf.Tensor5D, 2, 2, pad), {
    ...pool2d,
    second: false,
  }),
]);

export const poolWithArgmax: Row = of(
  'maxPoolWithArgmax',
  [[1, 5, 4, 2]],
  (x) => tf.maxPoolWithArgmax(x! as tf.Tensor4D, 2, 2, 'same')['result']!,
  { ...pool2d, second: false },
);

export const normalizationRows: Row[] = [
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

export const resizeRows: Row[] = [
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

export const einsumRows: Row[] = [
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
