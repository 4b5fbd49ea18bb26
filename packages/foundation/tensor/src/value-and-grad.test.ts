import { beforeAll, describe, expect, test } from 'vitest';
import { scope, tf, tree, useEngine, valueAndGrad } from './index.ts';
import { expectClose } from './testing/index.ts';

describe.each(['cpu', 'wasm'])('%s', (engine) => {
  beforeAll(() => useEngine(engine));

  test('value, aux and a gradient for every parameter, without a leak', () => {
    const w = tf.variable(tf.tensor1d([1, 2]));
    const unused = tf.variable(tf.tensor1d([3]));
    const frozen = tf.variable(tf.tensor1d([4]), false);
    const outside = tf.scalar(7);
    const before = tf.memory().numTensors;
    const result = valueAndGrad(
      () => {
        const squares = tf.square(w);
        return { loss: tf.sum(tf.mul(squares, frozen)) as tf.Scalar, aux: { squares, outside } };
      },
      { w, unused, frozen },
    );
    expectClose(result.value, 20);
    expectClose(result.aux.squares, [1, 4]);
    expectClose(result.grads['w'] as tf.Tensor, [8, 16]);
    expectClose(result.grads['unused'] as tf.Tensor, [0]);
    expectClose(result.grads['frozen'] as tf.Tensor, [5]);
    expect(tf.memory().numTensors - before).toBe(5);
    tree.dispose([result.value, result.aux.squares, result.grads]);
    expect(tf.memory().numTensors).toBe(before);

    // In a tidy everything goes with it, except what belongs to others.
    tf.tidy(() => void valueAndGrad(() => ({ loss: tf.sum(w) as tf.Scalar, aux: [tf.square(w), outside, w] }), { w }));
    expect(tf.memory().numTensors).toBe(before);
    expect(outside.isDisposed).toBe(false);
    tree.dispose([w, unused, frozen, outside]);
  });

  test('a loss alone, and no parameters', () => {
    tf.tidy(() => {
      const x = tf.scalar(3);
      const { value, aux, grads } = valueAndGrad(() => tf.square(x), {});
      expectClose(value, 9);
      expect(aux).toBeUndefined();
      expect(grads).toEqual({});
    });
  });

  test('errors', () => {
    tf.tidy(() => {
      const w = tf.variable(tf.tensor1d([1, 2]));
      expect(() => valueAndGrad(() => tf.square(w) as unknown as tf.Scalar, { w })).toThrow(
        'must be a float32 scalar, but got float32 [2]',
      );
      expect(() => valueAndGrad(() => tf.scalar(1), { w: tf.scalar(1) as tf.Variable })).toThrow(
        "'params.w' must be a tf.Variable",
      );
      w.dispose();
    });
  });
});

test('an error in the loss or its gradient leaves no tensor behind', async () => {
  await useEngine('cpu');
  using s = scope();
  const w = s.keep(tf.variable(tf.tensor1d([1, 2])));
  const broken = tf.customGrad((x) => ({
    value: tf.square(x as tf.Tensor),
    gradFunc: () => {
      throw new Error('backwards');
    },
  }));
  const loss = (x: tf.Tensor): tf.Scalar => tf.sum(tf.square(tf.exp(x)));
  const failing = (): tf.Scalar => {
    loss(w);
    throw new Error('forwards');
  };
  const before = tf.memory();
  expect(() => valueAndGrad(failing, { w })).toThrow('forwards');
  expect(() => valueAndGrad(() => ({ loss: loss(broken(w)), aux: tf.add(w, 1) }), { w })).toThrow('backwards');
  expect(tf.memory()).toMatchObject({ numTensors: before.numTensors, numBytes: before.numBytes });
  // One that is caught inside of another leaves the other whole.
  const { grads } = valueAndGrad(
    () => {
      const first = loss(w);
      try {
        valueAndGrad(failing, { w });
      } catch {
        // What the test is about.
      }
      return first;
    },
    { w },
  );
  const e = Math.exp(2);
  expect((grads['w'] as tf.Tensor).dataSync()[0]).toBeCloseTo(2 * e, 4);
});
