/** Kernels that move elements against the plain CPU backend. */
import { conformance, on } from '../testing/conformance.ts';
import { bools, complexes, floats, given, integers } from '../testing/specimens.ts';
import type { Specimen } from '../testing/specimens.ts';
import { shapes } from './shape.ts';

const x = floats(2, 3, 4);
const dtypes: Specimen[] = [x, integers(-9, 9, 2, 3, 4), bools(2, 3, 4)];
const index = (...values: number[]): Specimen => given(values, [values.length], 'int32');
const noMask = { beginMask: 0, endMask: 0, ellipsisMask: 0, newAxisMask: 0, shrinkAxisMask: 0 };
const strided = (begin: number[], end: number[], strides: number[], masks: object = {}) =>
  on({ x }, { begin, end, strides, ...noMask, ...masks });

await conformance('shapes', shapes, {
  Identity: dtypes.map((v) => on({ x: v })),
  Reshape: [...dtypes.map((v) => on({ x: v }, { shape: [4, -1] })), on({ x: floats() }, { shape: [1, 1] })],
  ExpandDims: [0, 1, 3, -1, -2].map((dim) => on({ input: x }, { dim })),
  Transpose: [
    ...dtypes.map((v) => on({ x: v }, { perm: [2, 0, 1] })),
    on({ x }, { perm: [0, 1, 2] }),
    on({ x: floats(0, 3) }, { perm: [1, 0] }),
  ],
  Slice: [
    ...dtypes.map((v) => on({ x: v }, { begin: [1, 0, 2], size: [1, 2, 2] })),
    on({ x }, { begin: [0, 1], size: [2, -1] }),
    on({ x }, { begin: 1, size: 1 }),
    on({ x }, { begin: [0, 0, 0], size: [0, 3, 4] }),
  ],
  StridedSlice: [
    strided([0, 0, 0], [2, 3, 4], [1, 2, 3]),
    strided([1, 2, 3], [-3, -4, -5], [-1, -1, -2]),
    strided([0, -2, 1], [2, 3, -1], [1, 1, 1]),
    strided([1, 1, 1], [0, 0, 0], [1, 1, 2], { beginMask: 1, endMask: 7 }),
    strided([1, 0], [2, 3], [1, 1], { shrinkAxisMask: 1 }),
    strided([0, 1, 0], [1, 2, 4], [1, 1, 1], { ellipsisMask: 1 }),
    strided([0, 0, 1], [0, 2, 2], [1, 1, 1], { newAxisMask: 1 }),
    strided([1, 0, 0], [1, 3, 4], [1, 1, 1]),
  ],
  Concat: [
    ...[0, 1, 2].map((axis) => on([x, floats(2, 3, 4)], { axis })),
    on([floats(2, 1), floats(2, 3), floats(2, 0), floats(2, 2)], { axis: 1 }),
    on([integers(0, 9, 3), integers(0, 9, 2)], { axis: 0 }),
    on([floats(0, 2), floats(0, 2)], { axis: 0 }),
  ],
  Pack: [0, 1, 2].map((axis) => on([floats(2, 3), floats(2, 3), floats(2, 3)], { axis })),
  Unpack: [0, 1, 2, -1].map((axis) => on({ value: x }, { axis })),
  SplitV: [
    on({ x }, { numOrSizeSplits: 2, axis: 2 }),
    on({ x }, { numOrSizeSplits: [1, 3], axis: -1 }),
    on({ x }, { numOrSizeSplits: [1, -1], axis: 1 }),
  ],
  Reverse: [[0], [1, 2], [-1], []].map((dims) => on({ x }, { dims })),
  PadV2: [
    on(
      { x: floats(2, 3) },
      {
        paddings: [
          [1, 2],
          [0, 3],
        ],
        constantValue: 1.5,
      },
    ),
    on({ x: integers(0, 9, 4) }, { paddings: [[2, 0]], constantValue: -1 }),
    on(
      { x: floats(0, 2) },
      {
        paddings: [
          [1, 1],
          [0, 0],
        ],
        constantValue: 7,
      },
    ),
  ],
  MirrorPad: (['reflect', 'symmetric'] as const).map((mode) =>
    on(
      { x: floats(3, 4) },
      {
        paddings: [
          [2, 1],
          [0, 3],
        ],
        mode,
      },
    ),
  ),
  Tile: [
    on({ x: floats(2, 3) }, { reps: [2, 3] }),
    on({ x: floats(2, 3) }, { reps: [1, 1] }),
    on({ x: integers(0, 9, 4) }, { reps: [3] }),
  ],
  Fill: [
    on({}, { shape: [2, 3], value: 1.5, dtype: 'float32' }),
    on({}, { shape: [], value: NaN, dtype: 'float32' }),
    on({}, { shape: [4], value: -7, dtype: 'int32' }),
    on({}, { shape: [4], value: 1, dtype: 'bool' }),
    on({}, { shape: [0, 2], value: 1, dtype: 'float32' }),
    on({}, { shape: [2], value: 3 }),
  ],
  Range: [
    on({}, { start: 0, stop: 5, step: 1, dtype: 'int32' }),
    on({}, { start: 5, stop: 0, step: -2, dtype: 'float32' }),
    on({}, { start: 0, stop: 1, step: 0.25, dtype: 'float32' }),
    on({}, { start: 3, stop: 3, step: 1, dtype: 'float32' }),
    on({}, { start: 0, stop: 5, step: -1, dtype: 'float32' }),
  ],
  LinSpace: [
    on({}, { start: 0, stop: 1, num: 7 }),
    on({}, { start: 3, stop: -2, num: 4 }),
    on({}, { start: 3, stop: 5, num: 1 }),
  ],
  OneHot: [
    on({ indices: index(0, 2, -1, 5) }, { depth: 4, onValue: 1, offValue: 0, dtype: 'float32' }),
    on({ indices: given([0, 1, 2, 3], [2, 2], 'int32') }, { depth: 3, onValue: 7, offValue: -2, dtype: 'int32' }),
    on({ indices: index(0, 1) }, { depth: 2, onValue: 1, offValue: 0, dtype: 'bool' }),
  ],
  BatchToSpaceND: [
    on(
      { x: floats(4, 2, 3, 2) },
      {
        blockShape: [2, 2],
        crops: [
          [0, 1],
          [1, 0],
        ],
      },
    ),
    on({ x: floats(6, 2, 3) }, { blockShape: [3], crops: [[1, 1]] }),
  ],
  SpaceToBatchND: [
    on(
      { x: floats(1, 3, 5, 2) },
      {
        blockShape: [2, 2],
        paddings: [
          [1, 0],
          [0, 1],
        ],
      },
    ),
    on({ x: floats(2, 4, 3) }, { blockShape: [3], paddings: [[1, 1]] }),
  ],
  DepthToSpace: [2, 3].map((blockSize) =>
    on({ x: floats(2, 2, 3, 2 * blockSize ** 2) }, { blockSize, dataFormat: 'NHWC' }),
  ),
});

// Complex numbers move as pairs; the plain backend keeps their parts apart and moves few of them.
const pairs = complexes(2, 3);
await conformance(
  'shapes of complex numbers',
  {},
  {
    Identity: [on({ x: pairs })],
    Reshape: [on({ x: pairs }, { shape: [6] })],
    Concat: [on([pairs, complexes(2, 2)], { axis: 1 })],
  },
);
