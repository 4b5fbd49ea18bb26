/** Gathering and scattering against the plain CPU backend, and indices that are out of bounds. */
import { tf, useEngine } from '@tesserae/tensor';
import { beforeAll, describe, expect, test } from 'vitest';
import { xla } from '../provider.ts';
import { conformance, on } from '../testing/conformance.ts';
import { bools, floats, given, integers } from '../testing/specimens.ts';
import type { Specimen } from '../testing/specimens.ts';
import { xlaAvailable } from '../testing/xla-available.ts';
import { indexing } from './indexing.ts';

const x = floats(2, 3, 4);
const dtypes: Specimen[] = [x, integers(-9, 9, 2, 3, 4), bools(2, 3, 4)];
const index = (...values: number[]): Specimen => given(values, [values.length], 'int32');

await conformance('indexing', indexing, {
  GatherV2: [
    ...dtypes.map((v) => on({ x: v, indices: index(2, 0, 2) }, { axis: 1, batchDims: 0 })),
    on({ x, indices: given([3, 0, 1, 1], [2, 2], 'int32') }, { axis: 2, batchDims: 0 }),
    on({ x, indices: given([0, 2, 1, 1], [2, 2], 'int32') }, { axis: 1, batchDims: 1 }),
    on({ x, indices: given([0, 3, 1, 1], [2, 2], 'int32') }, { axis: 2, batchDims: 1 }),
    on({ x, indices: given([], [0], 'int32') }, { axis: 0, batchDims: 0 }),
  ],
  GatherNd: [
    on({ params: x, indices: given([0, 1, 1, 2], [2, 2], 'int32') }),
    on({ params: x, indices: given([1, 0, 1], [3, 1], 'int32') }),
    on({ params: x, indices: given([1, 2, 3, 0, 0, 0], [2, 3], 'int32') }),
  ],
  ScatterNd: [
    on({ indices: given([0, 2, 0], [3, 1], 'int32'), updates: floats(3, 2) }, { shape: [4, 2] }),
    on({ indices: given([0, 1, 1, 0], [2, 2], 'int32'), updates: floats(2) }, { shape: [2, 3] }),
    on({ indices: given([1, 1], [2, 1], 'int32'), updates: integers(1, 9, 2) }, { shape: [3] }),
  ],
  TensorScatterUpdate: [
    on({ tensor: floats(4, 2), indices: given([2, 0], [2, 1], 'int32'), updates: floats(2, 2) }),
    on({ tensor: integers(0, 9, 4), indices: given([2, 0], [2, 1], 'int32'), updates: integers(0, 9, 2) }),
  ],
  UnsortedSegmentSum: [
    on({ x: floats(5, 3), segmentIds: index(2, 0, 2, 1, 9) }, { numSegments: 4 }),
    on({ x: floats(4), segmentIds: index(0, 0, -1, 1) }, { numSegments: 2 }),
    on({ x: integers(0, 9, 4), segmentIds: index(0, 0, 1, 1) }, { numSegments: 2 }),
  ],
});

describe.skipIf(!(await xlaAvailable()))('indices out of bounds', () => {
  beforeAll(() => useEngine('xla:cpu', [xla]));

  test('are refused where they are on the host', () => {
    tf.tidy(() => {
      const rows = tf.ones([3, 2]);
      expect(() => tf.gather(rows, tf.tensor1d([0, 3], 'int32'))).toThrow(/index value 3 is not in \[0, 2\]/);
      expect(() => tf.gather(rows, tf.tensor1d([-1], 'int32'), 1)).toThrow(/index value -1 is not in \[0, 1\]/);
    });
  });

  test('take the nearest element where the device computed them', () => {
    tf.tidy(() => {
      const indices = tf.mul(tf.tensor1d([-1, 1, 1], 'int32'), tf.tensor1d([1, 1, 7], 'int32'));
      expect([...tf.gather(tf.tensor1d([5, 6, 7]), indices).dataSync()]).toEqual([5, 6, 7]);
    });
  });
});
