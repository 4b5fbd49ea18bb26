import { beforeAll, expect, test } from 'vitest';
import { tf, tree, useEngine } from './index.ts';

beforeAll(() => useEngine('cpu'));

test('paths, leaves and flatten walk objects and arrays, and leave the rest alone', () => {
  tf.tidy(() => {
    const a = tf.scalar(1);
    const b = tf.scalar(2);
    const date = new Date(0);
    const nested = { a, list: [b, 'text', null], date, none: undefined };
    expect(tree.paths(nested)).toEqual([
      ['a', a],
      ['list.0', b],
    ]);
    expect(tree.leaves(a)).toEqual([a]);
    const { leaves, rebuild } = tree.flatten(nested);
    expect(leaves).toEqual([a, b]);
    const copy = rebuild([b, a]);
    expect(copy).toEqual({ a: b, list: [a, 'text', null], date, none: undefined });
    expect(copy.date).toBe(date);
    expect(() => rebuild([a])).toThrow('expects 2 leaves');
  });
});

test('map joins trees of one structure', () => {
  tf.tidy(() => {
    const left = { x: tf.scalar(1), y: [tf.scalar(2)] };
    const right = { x: tf.scalar(10), y: [tf.scalar(20)] };
    const sum = tree.map((l, r) => tf.add(l, r as tf.Tensor), left, right);
    expect(tree.leaves(sum).map((leaf) => leaf.dataSync()[0])).toEqual([11, 22]);
    expect(() => tree.map((l) => l, left, { x: tf.scalar(1), z: tf.scalar(2) })).toThrow(
      "expected leaf 'y.0', got 'z'",
    );
    expect(() => tree.map((l) => l, { x: left.x }, left)).toThrow("expected leaf '(none)', got 'y.0'");
  });
});

test('dispose frees each tensor once', () => {
  const before = tf.memory().numTensors;
  const shared = tf.scalar(1);
  tree.dispose({ a: shared, b: [shared, tf.scalar(2)] });
  expect(tf.memory().numTensors).toBe(before);
});
