import { beforeAll, expect, test } from 'vitest';
import { scope, tf, useEngine } from './index.ts';

beforeAll(() => useEngine('cpu'));

const count = (): number => tf.memory().numTensors;

test('using disposes a tensor, also one that is disposed already', () => {
  const before = count();
  {
    using x = tf.zeros([2]);
    using y = tf.ones([2]);
    y.dispose();
    expect(x.isDisposed).toBe(false);
  }
  expect(count()).toBe(before);
});

test('a scope disposes across await what it did not keep', async () => {
  const before = count();
  let kept: tf.Tensor | undefined;
  let variable: tf.Variable | undefined;
  {
    using s = scope();
    tf.zeros([2]);
    await Promise.resolve();
    variable = tf.variable(tf.ones([2]));
    kept = s.keep({ deep: [tf.zeros([3])] }).deep[0] as tf.Tensor;
    tf.add(kept, 1);
    await Promise.resolve();
  }
  expect(count()).toBe(before + 2);
  expect(kept.isDisposed).toBe(false);
  kept.dispose();
  variable.dispose();
  expect(count()).toBe(before);
});

test('what an inner scope keeps belongs to the outer one', () => {
  const before = count();
  {
    using outer = scope();
    {
      using inner = scope();
      inner.keep(tf.zeros([2]));
      tf.zeros([1]);
    }
    expect(count()).toBe(before + 1);
    void outer;
  }
  expect(count()).toBe(before);
  tf.tidy(() => {
    using inner = scope();
    inner.keep(tf.zeros([2]));
  });
  expect(count()).toBe(before);
});

test('a scope cleans up after an exception, and tidy still works', () => {
  const before = count();
  expect(() => {
    using s = scope();
    void s;
    tf.zeros([2]);
    throw new Error('inside');
  }).toThrow('inside');
  expect(count()).toBe(before);
  expect(tf.engine().state.activeScope).toBeNull();
});

test('scopes of overlapping flows may end in any order', () => {
  const before = count();
  const first = scope();
  tf.zeros([1]);
  const second = scope();
  tf.zeros([1]);
  first[Symbol.dispose]();
  expect(count()).toBe(before + 1);
  second[Symbol.dispose]();
  second[Symbol.dispose]();
  expect(count()).toBe(before);
  expect(tf.engine().state.scopeStack.length).toBe(0);
  expect(() => second.keep(1)).toThrow('the scope has ended');
});
