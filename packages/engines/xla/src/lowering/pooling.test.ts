/** Pooling against the plain CPU backend. */
import { conformance, on } from '../testing/conformance.ts';
import { coarse, floats, given, integers } from '../testing/specimens.ts';
import { pooling } from './pooling.ts';

const planes = [
  { filterSize: [2, 2], strides: [2, 2], pad: 'valid', out: [3, 2] },
  { filterSize: [3, 3], strides: [2, 2], pad: 'same', out: [4, 3] },
  { filterSize: [3, 2], strides: [1, 2], pad: 'same', out: [7, 3] },
  { filterSize: 2, strides: 1, pad: 1, out: [8, 6] },
  { filterSize: [7, 5], strides: [1, 1], pad: 'valid', out: [1, 1] },
] as const;
const volumes = [
  { filterSize: 2, strides: 2, pad: 'valid', out: [2, 2, 1] },
  { filterSize: 3, strides: 1, pad: 'same', out: [4, 5, 3] },
  { filterSize: [2, 2, 2], strides: [1, 2, 1], pad: 'same', out: [4, 3, 3] },
] as const;
const image = [2, 7, 5, 3];
const volume = [2, 4, 5, 3, 2];
const rounded = { filterSize: 2, strides: 2, pad: 0, dimRoundingMode: 'ceil' };

// The gradient of TensorFlow.js's 3-D maximum is right for cubes only, and average gradients know no rounding mode.
await conformance('pooling', pooling, {
  AvgPool: [
    ...planes.map((a) => on({ x: floats(...image) }, a)),
    on({ x: floats(1, 5, 5, 2) }, rounded),
    on({ x: given([1, NaN, 2, 3, Infinity, 5, 6, 7, 8], [1, 3, 3, 1]) }, { filterSize: 2, strides: 1, pad: 'valid' }),
  ],
  AvgPool3D: volumes.map((a) => on({ x: floats(...volume) }, { ...a, dataFormat: 'NDHWC' })),
  AvgPoolGrad: planes.map((a) => on({ dy: floats(2, ...a.out, 3), input: floats(...image) }, a)),
  AvgPool3DGrad: volumes.map((a) => on({ dy: floats(2, ...a.out, 2), input: floats(...volume) }, a)),
  MaxPool: [
    ...planes.map((a) => on({ x: floats(...image) }, a)),
    on({ x: integers(-9, 9, 1, 4, 4, 2) }, planes[1]),
    on({ x: floats(1, 5, 5, 2) }, rounded),
    on({ x: given([1, NaN, 2, 3, -Infinity, 5, 6, 7, 8], [1, 3, 3, 1]) }, { filterSize: 2, strides: 1, pad: 'valid' }),
  ],
  MaxPool3D: volumes.map((a) => on({ x: floats(...volume) }, { ...a, dataFormat: 'NDHWC' })),
  MaxPoolGrad: planes.flatMap((a) =>
    [floats, coarse].map((values) =>
      on({ dy: floats(2, ...a.out, 3), input: values(...image), output: values(2, ...a.out, 3) }, a),
    ),
  ),
  MaxPool3DGrad: volumes.flatMap((a) =>
    [floats, coarse].map((values) =>
      on({ dy: floats(2, ...a.out, 2), input: values(...volume), output: values(2, ...a.out, 2) }, a),
    ),
  ),
  MaxPoolWithArgmax: planes.flatMap((a) =>
    [true, false].map((includeBatchInIndex) => on({ x: coarse(...image) }, { ...a, includeBatchInIndex })),
  ),
});
