/** Scans as loops: values and gradients against the unrolled form, and that the step is recorded once. */
import { compile, ops, random, scope, tf, useEngine } from '@tesserae/tensor';
import { checkGradients, expectClose, expectNoLeak } from '@tesserae/tensor/testing';
import { beforeAll, describe, expect, test } from 'vitest';
import { xla } from './provider.ts';
import { xlaAvailable } from './testing/xla-available.ts';

const normal = (seed: number, ...shape: number[]): tf.Tensor => random.normal(random.key(seed), shape);

/** h = tanh(h w + x): the weight is captured. */
const recurrence =
  (weight: tf.Tensor) =>
  (h: tf.Tensor, x: tf.Tensor): { carry: tf.Tensor; output: tf.Tensor } => {
    const next = tf.tanh(tf.add(tf.matMul(h, weight), x));
    return { carry: next, output: tf.mul(next, 2) };
  };

describe.skipIf(!(await xlaAvailable()))('scan on xla', () => {
  beforeAll(async () => {
    await useEngine('xla:cpu', [xla]);
  });

  test('calls the step once, whatever the length', () => {
    using _ = scope();
    let calls = 0;
    const count = (x: tf.Tensor): tf.Tensor =>
      ops.scan(
        (sum: tf.Tensor, v: tf.Tensor) => {
          calls++;
          return { carry: tf.add(sum, v), output: tf.mul(sum, v) };
        },
        tf.scalar(0),
        x,
      ).carry;
    const numbers = tf.range(0, 1000);
    expect(count(numbers).dataSync()[0]).toBe(499500);
    expect(calls).toBe(1);
    using program = compile(count);
    expect(program(numbers).dataSync()[0]).toBe(499500);
    expect(calls).toBe(2);
  });

  test('carries trees of several types, in order of the elements', () => {
    using _ = scope();
    const { carry, outputs } = ops.scan(
      (state: { at: tf.Tensor; last: tf.Tensor }, x: { id: tf.Tensor; flag: tf.Tensor }) => ({
        carry: { at: tf.add(state.at, tf.scalar(1, 'int32')), last: x.id },
        output: { at: state.at, previous: state.last, both: tf.logicalAnd(x.flag, tf.greater(x.id, 6)) },
      }),
      { at: tf.scalar(0, 'int32'), last: tf.scalar(-1, 'int32') },
      { id: tf.tensor1d([5, 7, 9], 'int32'), flag: tf.tensor1d([true, false, true], 'bool') },
    );
    expect([carry.at, carry.last].map((x) => x.dataSync()[0])).toEqual([3, 9]);
    expect([...outputs.at.dataSync()]).toEqual([0, 1, 2]);
    expect([...outputs.previous.dataSync()]).toEqual([-1, 5, 7]);
    expect([...outputs.both.dataSync()]).toEqual([0, 0, 1]);
    expect([outputs.at.dtype, outputs.both.dtype]).toEqual(['int32', 'bool']);
  });

  test('has the gradients of the unrolled form, also by what the step captures', () => {
    using _ = scope();
    const [h, x, weight] = [normal(1, 2, 3), normal(2, 5, 2, 3), normal(3, 3, 3)];
    const rolled = (init: tf.Tensor, xs: tf.Tensor, w: tf.Tensor): tf.Tensor[] => {
      // A tensor that is gone after the forward pass.
      const { carry, outputs } = ops.scan(recurrence(tf.mul(w, 0.5)), init, xs);
      return [carry, outputs];
    };
    const unrolled = (init: tf.Tensor, xs: tf.Tensor, w: tf.Tensor): tf.Tensor[] => {
      const step = recurrence(tf.mul(w, 0.5));
      let state = init;
      const outputs = tf.unstack(xs).map((v) => {
        const { carry, output } = step(state, v);
        state = carry;
        return output;
      });
      return [state, tf.stack(outputs)];
    };
    const evaluate =
      (fn: typeof rolled) =>
      (...inputs: tf.Tensor[]): tf.Tensor[] => {
        const [init, xs, w] = inputs as [tf.Tensor, tf.Tensor, tf.Tensor];
        const loss = (a: tf.Tensor, b: tf.Tensor, c: tf.Tensor): tf.Tensor =>
          tf.addN(fn(a, b, c).map((v) => tf.sum(tf.square(v))));
        return [...fn(init, xs, w), ...tf.grads(loss)([init, xs, w])];
      };
    const expected = evaluate(unrolled)(h, x, weight);
    using program = compile(evaluate(rolled));
    for (const actual of [evaluate(rolled)(h, x, weight), program(h, x, weight)]) {
      expect(actual.length).toBe(5);
      actual.forEach((v, i) => expectClose(v, expected[i] as tf.Tensor, { rtol: 1e-4, atol: 1e-5 }));
    }
  });

  test('has second derivatives, and leaves nothing behind', () => {
    expectNoLeak(() => {
      tf.tidy(() => {
        const [h, x, weight] = [normal(1, 1, 2), normal(2, 3, 1, 2), normal(3, 2, 2)];
        const slope = (v: tf.Tensor): tf.Tensor =>
          tf.grad((w: tf.Tensor) => tf.sum(tf.square(ops.scan(recurrence(w), h, x).outputs)))(v);
        checkGradients(slope, [weight], { elements: 4 });
      });
    });
  });

  test('refuses a carry of another shape', () => {
    using _ = scope();
    const grow = (sum: tf.Tensor, v: tf.Tensor): { carry: tf.Tensor; output: tf.Tensor } => ({
      carry: tf.concat([sum, v]),
      output: v,
    });
    expect(() => ops.scan(grow, tf.zeros([1]), tf.ones([3, 1]))).toThrow(
      "scan: 'step' must return a carry like 'init': at the top float32 [1], but got float32 [2].",
    );
  });
});
