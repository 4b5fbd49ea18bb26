/** `checkNumerics` on XLA: eager ops, and compiled programs that carry their checks. */
import {
  NumericsError,
  checkNumerics,
  compile,
  ops,
  scope,
  tf,
  useEngine,
  valueAndGrad,
  withPrecision,
} from '@tesserae/tensor';
import { beforeAll, describe, expect, test } from 'vitest';
import type { XlaBackend } from './backend.ts';
import { xla } from './provider.ts';
import { xlaAvailable } from './testing/xla-available.ts';

describe.skipIf(!(await xlaAvailable()))('checkNumerics', () => {
  beforeAll(async () => {
    await useEngine('xla:cpu', [xla]);
  });

  test('names an eager op', () => {
    using _ = scope();
    expect(() => checkNumerics(() => tf.log(tf.sub(tf.scalar(1), 1)))).toThrow(
      /kernel 'Log' called at .*numerics\.test/,
    );
  });

  test('names the first op of a compiled function, its line and the function', () => {
    using _ = scope();
    using step = compile((x: tf.Tensor) => tf.sum(tf.exp(tf.sqrt(tf.reshape(tf.sub(x, 2), [-1])))), { name: 'step' });
    const fine = tf.tensor2d([[3, 4]]);
    const low = tf.tensor2d([[3, 1]]);
    expect(checkNumerics(() => step(fine)).dataSync()[0]).toBeCloseTo(Math.E + Math.exp(Math.SQRT2), 4);
    const before = tf.memory().numTensors;
    expect(() => checkNumerics(() => step(low))).toThrow(NumericsError);
    expect(() => checkNumerics(() => step(low))).toThrow(
      /kernel 'Sqrt' called at .*numerics\.test\.ts:\d+:\d+\)? in 'step' made/,
    );
    expect(tf.memory().numTensors).toBe(before);
    expect(step.traces).toBe(1);
    // Outside of the scope the function is another program, without checks.
    expect(step(low).dataSync()[0]).toBeNaN();
    expect(step.traces).toBe(2);
  });

  test('finds what only the gradient makes, and leaves masks and precision alone', () => {
    using _ = scope();
    const weight = tf.variable(tf.tensor1d([0, 1]), true, 'w');
    using step = compile(() => {
      const { value, grads } = valueAndGrad(() => tf.sum(tf.sqrt(weight)) as tf.Scalar, { weight });
      weight.assign(tf.sub(weight, grads['weight'] as tf.Tensor1D));
      return value;
    });
    expect(step.traces).toBe(0);
    expect(() => checkNumerics(step)).toThrow(NumericsError);
    weight.dispose();
    using attend = compile((x: tf.Tensor2D, mask: tf.Tensor) => tf.softmax(tf.add(tf.matMul(x, x), mask)));
    const [x, mask] = [tf.ones([2, 2]) as tf.Tensor2D, tf.tensor1d([0, -Infinity])];
    for (const precision of ['float32', 'bfloat16'] as const) {
      expect([...withPrecision(precision, () => checkNumerics(() => attend(x, mask))).dataSync()]).toEqual([
        1, 0, 1, 0,
      ]);
    }
  });

  test('sees the turns of a scan', () => {
    using _ = scope();
    using program = compile((x: tf.Tensor) =>
      ops.scan(
        (carry: tf.Tensor, at: tf.Tensor) => ({ carry: tf.sub(carry, at), output: tf.log(carry) }),
        tf.scalar(2),
        x,
      ),
    );
    const ones = tf.ones([4]);
    expect(() => checkNumerics(() => program(ones))).toThrow(/kernel 'Log' called at .*numerics\.test/);
  });

  test('names the op that takes in a NaN, and leaves nothing behind', () => {
    using _ = scope();
    using program = compile((x: tf.Tensor) => tf.add(tf.mul(x, 2), 1));
    const bad = tf.tensor1d([NaN, 1]);
    expect(() => checkNumerics(() => program(bad))).toThrow(/'Multiply'/);
    const backend = tf.backend() as XlaBackend;
    const bytes = (): number => {
      backend.flush();
      return backend.client.bytesInUse;
    };
    const before = bytes();
    for (let i = 0; i < 3; i++) expect(() => checkNumerics(() => program(bad))).toThrow(NumericsError);
    expect(bytes()).toBe(before);
  });
});
