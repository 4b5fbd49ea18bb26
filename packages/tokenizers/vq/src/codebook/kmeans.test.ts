import { random, tf, useEngine } from '@tesserae/tensor';
import { checkGradients, expectClose, expectNoLeak } from '@tesserae/tensor/testing';
import { beforeAll, describe, expect, it } from 'vitest';
import { assign } from './assignment.ts';
import { kmeans, lloydMeans } from './kmeans.ts';
import { normalise } from './normalise.ts';

beforeAll(async () => {
  await useEngine('cpu');
});

describe('assign', () => {
  it('counts and sums, without padding', () => {
    const latents = tf.tensor2d([
      [1, 2],
      [3, 4],
      [5, 6],
      [Number.NaN, 0],
    ]);
    const { counts, sums } = assign(latents, tf.tensor1d([2, 0, 2, 0], 'int32'), 3, tf.tensor1d([1, 1, 1, 0]));
    expectClose(counts, [1, 0, 2]);
    expectClose(
      sums,
      tf.tensor2d([
        [3, 4],
        [0, 0],
        [6, 8],
      ]),
    );
  });
});

describe('lloydMeans', () => {
  it('averages, and keeps the mean of an empty cluster', () => {
    const means = tf.tensor2d([
      [0, 0],
      [7, 7],
    ]);
    const next = lloydMeans(means, {
      counts: tf.tensor1d([2, 0]),
      sums: tf.tensor2d([
        [4, 6],
        [0, 0],
      ]),
    });
    expectClose(
      next,
      tf.tensor2d([
        [2, 3],
        [7, 7],
      ]),
    );
  });
});

describe('kmeans', () => {
  it('finds separated clusters when it starts in each', () => {
    // Two points a cluster, so that any start with one point in each of the four clusters ends at the centres.
    const centres = [
      [0, 0],
      [100, 0],
      [0, 100],
      [100, 100],
    ] as const;
    const vectors = tf.tensor2d(
      centres.flatMap(([x, y]) => [
        [x - 1, y],
        [x + 1, y],
      ]),
    );
    const found = [0, 1, 2, 3, 4, 5, 6, 7, 8, 9].some((seed) => {
      const { means, counts } = kmeans(vectors, { clusters: 4, key: random.key(seed) });
      const sorted = (means.arraySync() as number[][]).map(String).sort();
      return String(counts.arraySync()) === '2,2,2,2' && sorted.join(' ') === centres.map(String).sort().join(' ');
    });
    expect(found).toBe(true);
  });

  it('starts from different vectors, and never raises the error', () => {
    const vectors = random.normal(random.key(1), [40, 3]) as tf.Tensor2D;
    const none = kmeans(vectors, { clusters: 40, iterations: 1, key: random.key(2) });
    expectClose(none.counts, Array(40).fill(1));
    let last = Number.POSITIVE_INFINITY;
    for (const iterations of [1, 2, 4, 8]) {
      const { means } = kmeans(vectors, { clusters: 5, iterations, key: random.key(2) });
      const distances = vectors
        .expandDims(1)
        .sub(means.expandDims(0))
        .square()
        .sum(-1)
        .min(1)
        .mean()
        .dataSync()[0] as number;
      expect(distances).toBeLessThanOrEqual(last + 1e-6);
      last = distances;
    }
  });

  it('leaves only its result behind', () => {
    const vectors = tf.ones([9, 2]) as tf.Tensor2D;
    const key = random.key(0);
    expectNoLeak(() => kmeans(vectors, { clusters: 3, key }), 2);
  });
});

describe('normalise', () => {
  it('has a gradient check, finite at zero', () => {
    checkGradients((x) => normalise(x), [random.normal(random.key(1), [4, 3]).add(0.5)]);
    const atZero = tf.grad((x) => normalise(x).sum())(tf.zeros([1, 2]));
    expect(Array.from(atZero.dataSync()).every(Number.isFinite)).toBe(true);
  });
});
