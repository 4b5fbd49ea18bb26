/** Ordering against the plain CPU backend, and what it leaves open. */
import { tf, useEngine } from '@tesserae/tensor';
import { expect, test } from 'vitest';
import { xla } from '../provider.ts';
import { conformance, on } from '../testing/conformance.ts';
import { coarse, floats, given, integers } from '../testing/specimens.ts';
import { xlaAvailable } from '../testing/xla-available.ts';
import { sorting } from './sorting.ts';

const sorted = given([-1, 0, 0, 2, 5, 5, 5, 9], [2, 4]);
const values = given([0, -2, 5, 7, 5, 9], [2, 3]);

await conformance('sorting', sorting, {
  TopK: [
    on({ x: floats(2, 3, 17) }, { k: 5, sorted: true }),
    on({ x: coarse(4, 9) }, { k: 9, sorted: true }),
    on({ x: floats(40) }, { k: 1, sorted: true }),
    on({ x: integers(-5, 5, 3, 8) }, { k: 3, sorted: true }),
    on({ x: given([-Infinity, 1, Infinity, -1]) }, { k: 4, sorted: true }),
  ],
  SearchSorted: (['left', 'right'] as const).map((side) => on({ sortedSequence: sorted, values }, { side })),
});

test.skipIf(!(await xlaAvailable()))('NaN is the largest, as in PyTorch', async () => {
  await useEngine('xla:cpu', [xla]);
  const { values: top, indices } = tf.topk(tf.tensor1d([1, NaN, Infinity, -1]), 3);
  expect([...top.dataSync()]).toEqual([NaN, Infinity, 1]);
  expect([...indices.dataSync()]).toEqual([1, 2, 0]);
});
