/** The helpers must be able to fail. */
import { beforeAll, expect, test } from 'vitest';
import { tf, useEngine } from '../index.ts';
import { availableEngines, checkGradients, expectClose, expectNoLeak } from './index.ts';

beforeAll(() => useEngine('cpu'));

test('expectClose', () => {
  tf.tidy(() => {
    expectClose(tf.tensor1d([1, NaN, Infinity]), [1, NaN, Infinity]);
    expectClose([[1], [2]], new Float32Array([1, 2 + 1e-7]));
    expect(() =>
      expectClose(
        tf.zeros([2, 2]),
        tf.tensor2d([
          [0, 0],
          [0.5, 0],
        ]),
      ),
    ).toThrow(
      'expectClose: 1 of 4 elements differ by more than atol 0.000001 + rtol 0.00001 * |expected|. Worst at [1, 0]: actual 0, expected 0.5',
    );
    expect(() => expectClose([NaN], [1])).toThrow('actual NaN, expected 1');
    expect(() => expectClose([1], [NaN])).toThrow('actual 1, expected NaN');
    expect(() => expectClose([Infinity], [1])).toThrow('actual Infinity');
    expect(() => expectClose(tf.zeros([2, 3]), tf.zeros([3, 2]))).toThrow('actual [2, 3], expected [3, 2]');
    expect(() => expectClose([1], [1, 2])).toThrow('actual 1 numbers, expected 2 numbers');
  });
});

test('checkGradients', () => {
  tf.tidy(() => {
    const x = tf.tensor1d([0.7, -1]);
    checkGradients((v) => tf.square(v), [x]);
    const wrong = (v: tf.Tensor): tf.Tensor =>
      tf.customGrad((u) => ({ value: tf.square(u as tf.Tensor), gradFunc: (dy: tf.Tensor) => [dy] }))(v);
    expect(() => checkGradients(wrong, [x])).toThrow(
      /input 0 \[2\], element 0 on 'cpu': gradient .*, finite difference/,
    );
    expect(() => checkGradients((v) => v, [tf.scalar(1, 'int32')])).toThrow('must be float32');
  });
});

test('expectNoLeak', async () => {
  expect(expectNoLeak(() => 3)).toBe(3);
  let leaked: tf.Tensor | undefined;
  expect(() => expectNoLeak(() => (leaked = tf.zeros([1])))).toThrow('1 tensors were left behind, expected 0');
  leaked?.dispose();
  await expectNoLeak(async () => {
    await Promise.resolve();
  });
  await expect(expectNoLeak(async () => (leaked = await Promise.resolve(tf.zeros([1]))))).rejects.toThrow(
    'left behind',
  );
  leaked?.dispose();
});

test('availableEngines', async () => {
  const engine = { family: 'toy', names: ['toy:a', 'toy:b'], start: () => Promise.reject(new Error()) };
  const probe = (
    name: string,
  ): Promise<{ available: true; detail: string } | { available: false; reason: string; remedy: string }> =>
    Promise.resolve(name === 'toy:b' ? { available: true, detail: '' } : { available: false, reason: '', remedy: '' });
  expect(await availableEngines([{ ...engine, probe }])).toEqual(['cpu', 'wasm', 'toy:b']);
});
