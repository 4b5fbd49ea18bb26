import { beforeAll, expect, test } from 'vitest';
import { currentPrecision, tf, useEngine, withPrecision } from './index.ts';
import type { Precision } from './index.ts';

beforeAll(() => useEngine('cpu'));

/** Doubles, and notes the precision in both passes. */
function double(x: tf.Tensor, seen: string[]): tf.Tensor {
  const op = tf.customGrad((input) => {
    seen.push(`forward ${currentPrecision()}`);
    return {
      value: tf.mul(input as tf.Tensor, 2),
      gradFunc: (dy: tf.Tensor) => {
        seen.push(`backward ${currentPrecision()}`);
        return [tf.mul(dy, 2)];
      },
    };
  });
  return op(x);
}

test('scopes nest and end with an exception', () => {
  expect(currentPrecision()).toBe('float32');
  withPrecision('bfloat16', () => {
    expect(withPrecision('tf32', () => currentPrecision())).toBe('tf32');
    expect(currentPrecision()).toBe('bfloat16');
  });
  expect(() =>
    withPrecision('tf32', () => {
      throw new Error('inside');
    }),
  ).toThrow('inside');
  expect(currentPrecision()).toBe('float32');
});

test('gradients run at the precision of their op', () => {
  tf.tidy(() => {
    const seen: string[] = [];
    const slope = tf.grad((x) => {
      const y = withPrecision('bfloat16', () =>
        double(
          withPrecision('float32', () => double(x, seen)),
          seen,
        ),
      );
      return tf.sum(double(y, seen));
    });
    expect([...slope(tf.tensor1d([1, 2])).dataSync()]).toEqual([8, 8]);
    expect(seen).toEqual([
      'forward float32',
      'forward bfloat16',
      'forward float32',
      'backward float32',
      'backward bfloat16',
      'backward float32',
    ]);
  });
});

test('errors', () => {
  expect(() => withPrecision('float16' as Precision, () => 0)).toThrow('one of float32, tf32, bfloat16');
  expect(() => withPrecision('tf32', () => Promise.resolve(0))).toThrow('returned a promise');
});
