/** The nearest code against a search in double precision. */
import { compile, ops, random, scope, tf, useEngine } from '@tesserae/tensor';
import { beforeAll, describe, expect, test } from 'vitest';
import { xla } from '../provider.ts';
import { xlaAvailable } from '../testing/xla-available.ts';

/** Squared distances in double precision; ties go to the lowest index. */
function reference(x: Float32Array, codebook: Float32Array, dim: number): { index: number; distances: number[] }[] {
  return Array.from({ length: x.length / dim }, (_, row) => {
    const distances = Array.from({ length: codebook.length / dim }, (_, code) => {
      let sum = 0;
      for (let d = 0; d < dim; d++) sum += ((x[row * dim + d] as number) - (codebook[code * dim + d] as number)) ** 2;
      return sum;
    });
    return { index: distances.indexOf(Math.min(...distances)), distances };
  });
}

describe.skipIf(!(await xlaAvailable()))('NearestCode', () => {
  beforeAll(async () => {
    await useEngine('xla:cpu', [xla]);
  });

  test.each([
    [5, 3, 7],
    [1, 1, 1],
    [9, 5, 33],
    [7, 3, 64],
    [5003, 4, 301], // more than one tile, the last one short
  ])('%i vectors of %i among %i codes', (rows, dim, codes) => {
    using _ = scope();
    const x = random.normal(random.key(1), [rows, dim]);
    const codebook = random.normal(random.key(2), [codes, dim]);
    const wanted = reference(x.dataSync<'float32'>(), codebook.dataSync<'float32'>(), dim);
    using search = compile((a: tf.Tensor, b: tf.Tensor) => ops.nearestCode(a, b));
    for (const result of [ops.nearestCode(x, codebook), search(x, codebook)]) {
      expect(result.dtype).toBe('int32');
      result.dataSync<'int32'>().forEach((found, row) => {
        const { index, distances } = wanted[row] as (typeof wanted)[number];
        // Another code only where float32 cannot tell the two apart.
        expect((distances[found] as number) - (distances[index] as number)).toBeLessThan(1e-5);
      });
    }
  });

  test('takes the lowest of equal codes, and 0 for NaN', () => {
    using _ = scope();
    const codebook = tf.tensor2d([3, 1, 1, 0, 1], [5, 1]);
    const found = ops.nearestCode(tf.tensor2d([1, 2, NaN, -5], [4, 1]), codebook);
    expect([...found.dataSync()]).toEqual([1, 0, 0, 3]);
  });
});
