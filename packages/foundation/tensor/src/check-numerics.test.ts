import { expect, test } from 'vitest';
import { NumericsError, checkNumerics, checksNumerics, compile, scope, tf, useEngine } from './index.ts';

await useEngine('cpu');

test('names the first op that makes NaN or an infinity, and its line', () => {
  using _ = scope();
  const x = tf.tensor1d([1, 0, -1]);
  const run = (): tf.Tensor => tf.add(tf.sqrt(tf.sub(x, 0.5)), 1);
  expect(() => checkNumerics(run)).toThrow(NumericsError);
  expect(() => checkNumerics(run)).toThrow(
    /kernel 'Sqrt' called at .*check-numerics\.test\.ts:\d+.* made NaN of inputs/,
  );
  expect(() => checkNumerics(() => tf.log(tf.abs(x)))).toThrow(/kernel 'Log' .* made an infinity/);
  expect(() => checkNumerics(() => tf.div(tf.sub(x, x), tf.sub(x, x)))).toThrow(/kernel 'RealDiv' .* made NaN/);
  expect(run().dataSync()[1]).toBeNaN();
  expect(checksNumerics()).toBe(false);
});

test('is content with infinities that were meant, also in gradients', () => {
  using _ = scope();
  const mask = tf.tensor1d([0, -Infinity]);
  const out = checkNumerics(() => tf.softmax(tf.add(tf.add(tf.tensor1d([1, 2]), mask), tf.fill([2], 0))));
  expect([...out.dataSync()]).toEqual([1, 0]);
  const gradient = checkNumerics(() => tf.grad((x: tf.Tensor) => tf.sum(tf.square(x)))(tf.tensor1d([3])));
  expect(gradient.dataSync()[0]).toBe(6);
  expect(() => checkNumerics(() => tf.grad((x: tf.Tensor) => tf.sum(tf.sqrt(x)))(tf.tensor1d([0])))).toThrow(
    NumericsError,
  );
});

test('names the op that takes in a NaN from outside', () => {
  using _ = scope();
  const data = tf.tensor1d([1, NaN]);
  expect(() => checkNumerics(() => tf.exp(tf.mul(data, 2)))).toThrow(/kernel 'Multiply'/);
});

test('holds through a promise, nests, and ends with an error', async () => {
  using s = scope();
  const zero = s.keep(tf.scalar(0));
  const inside = checkNumerics(async () => {
    await zero.data();
    expect(checkNumerics(() => checksNumerics())).toBe(true);
    s.keep(tf.log(zero));
  });
  await expect(inside).rejects.toThrow(/'Log'/);
  expect(checksNumerics()).toBe(false);
  expect(() =>
    checkNumerics(() => {
      throw new Error('mine');
    }),
  ).toThrow('mine');
  expect(tf.log(zero).dataSync()[0]).toBe(-Infinity);
});

test('looks into compiled functions where they run op by op', () => {
  using _ = scope();
  using step = compile((x: tf.Tensor) => tf.log(x), { name: 'step' });
  const zero = tf.scalar(0);
  expect(() => checkNumerics(() => step(zero))).toThrow(/'Log'/);
  expect(step(zero).dataSync()[0]).toBe(-Infinity);
});
