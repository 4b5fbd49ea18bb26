import { applyRotary } from '@tesserae/nn';
import { random, tf, useEngine } from '@tesserae/tensor';
import { beforeAll, expect, test } from 'vitest';
import { rope2d, rope2dAngles } from './rope2d.ts';

beforeAll(async () => {
  await useEngine('cpu');
});

test('angles of a 2×2 grid with heads of 8', () => {
  const angles = [...rope2dAngles(2, 2, 8, 10_000)];
  const expected = [
    [0, 0, 0, 0],
    [0, 0, 1, 0.01],
    [1, 0.01, 0, 0],
    [1, 0.01, 1, 0.01],
  ].flat();
  angles.forEach((angle, i) => expect(angle).toBeCloseTo(expected[i] as number, 12));
  const { cos, sin } = rope2d(2, 2, 8);
  expect(cos.shape).toEqual([4, 4]);
  cos.dataSync().forEach((value, i) => expect(value).toBeCloseTo(Math.cos(expected[i] as number), 6));
  sin.dataSync().forEach((value, i) => expect(value).toBeCloseTo(Math.sin(expected[i] as number), 6));
});

test('adjacent pairs are turned by (a cos − b sin, b cos + a sin)', () => {
  const table = { cos: tf.tensor2d([[Math.cos(0.3), Math.cos(2)]]), sin: tf.tensor2d([[Math.sin(0.3), Math.sin(2)]]) };
  const turned = applyRotary(tf.tensor4d([1, 0, 3, 4], [1, 1, 1, 4]), table).dataSync();
  const expected = [Math.cos(0.3), Math.sin(0.3), 3 * Math.cos(2) - 4 * Math.sin(2), 4 * Math.cos(2) + 3 * Math.sin(2)];
  turned.forEach((value, i) => expect(value).toBeCloseTo(expected[i] as number, 6));
});

test('norms are kept', () => {
  const x: tf.Tensor4D = random.normal(random.key(1), [2, 3, 20, 16]) as tf.Tensor4D;
  const turned = applyRotary(x, rope2d(4, 5, 16));
  const [before, after] = [tf.norm(x, 2, -1).dataSync(), tf.norm(turned, 2, -1).dataSync()];
  after.forEach((value, i) => expect(value).toBeCloseTo(before[i] as number, 4));
});

test('a product of query and key depends only on the difference of rows and of columns', () => {
  const [rows, columns, width] = [4, 5, 8];
  const query = tf.tile(random.normal(random.key(2), [1, 1, 1, width]), [1, 1, rows * columns, 1]) as tf.Tensor4D;
  const key = tf.tile(random.normal(random.key(3), [1, 1, 1, width]), [1, 1, rows * columns, 1]) as tf.Tensor4D;
  const table = rope2d(rows, columns, width);
  const products = tf
    .squeeze<tf.Tensor2D>(tf.matMul(applyRotary(query, table), applyRotary(key, table), false, true))
    .arraySync();
  const seen = new Map<string, number>();
  for (let q = 0; q < rows * columns; q++) {
    for (let k = 0; k < rows * columns; k++) {
      const difference = `${Math.floor(q / columns) - Math.floor(k / columns)},${(q % columns) - (k % columns)}`;
      const product = products[q]?.[k] as number;
      expect(product).toBeCloseTo(seen.get(difference) ?? product, 4);
      seen.set(difference, product);
    }
  }
  // … and does depend on it.
  expect(new Set([...seen.values()].map((value) => value.toFixed(3))).size).toBeGreaterThan(30);
});

test('widths that have no two halves of pairs are refused', () => {
  expect(() => rope2d(2, 2, 6)).toThrow(/multiple of 4, got 6/);
});
