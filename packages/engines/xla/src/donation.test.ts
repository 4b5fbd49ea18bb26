/** Donated arguments: which outputs take their memory, and when they must not be used up. */
import { checkNumerics, compile, DonatedTensorError, ops, scope, tf, useEngine, valueAndGrad } from '@tesserae/tensor';
import { afterEach, beforeAll, beforeEach, describe, expect, test, vi } from 'vitest';
import type { XlaBackend } from './backend.ts';
import { xla } from './provider.ts';
import { xlaAvailable } from './testing/xla-available.ts';

const backend = (): XlaBackend => tf.backend() as XlaBackend;
const values = (tensor: tf.Tensor): number[] => [...tensor.dataSync<'float32'>()];
const size = 2000; // large enough not to stay on the host

/** Adds one to row `at` of the state. */
const write = ({ rows }: { rows: tf.Tensor }, at: tf.Tensor): { rows: tf.Tensor; sum: tf.Tensor } => {
  const next = ops.updateSlice(rows, tf.ones([1, size]), at);
  return { rows: next, sum: tf.sum(next) };
};

describe.skipIf(!(await xlaAvailable()))('donated arguments', () => {
  let before: { tensors: number; bytes: number };
  const inUse = (): { tensors: number; bytes: number } => {
    backend().flush();
    return { tensors: tf.memory().numTensors, bytes: backend().client.bytesInUse };
  };
  beforeAll(async () => {
    await useEngine('xla:cpu', [xla]);
  });
  beforeEach(() => {
    before = inUse();
  });
  afterEach(() => {
    tf.disposeVariables();
    expect(inUse()).toEqual(before);
  });

  test('give their memory to results of the same type, and each result takes one', () => {
    using _ = scope();
    const compiled = vi.spyOn(backend().programs, 'compile');
    using step = compile(
      (state: tf.Tensor[], x: tf.Tensor) => [tf.sum(x), ...state.map((part) => tf.add(part, x)), tf.add(x, 1)],
      { donate: [0] },
    );
    const state = [tf.ones([size]), tf.zeros([3]), tf.fill([size], 5)];
    const results = step(state, tf.scalar(1));
    const text = compiled.mock.calls.map(([module]) => module).join('');
    compiled.mockRestore();
    expect(
      [...text.matchAll(/%arg(\d): [^,]*? \{tf.aliasing_output = (\d)/g)].map(([, from, to]) => [from, to]),
    ).toEqual([
      ['0', '1'],
      ['1', '2'],
      ['2', '3'],
    ]);
    expect([1, 2, 3].map((i) => values(results[i] as tf.Tensor)[0])).toEqual([2, 1, 6]);
    expect(state.every((part) => part.isDisposed)).toBe(true);
  });

  test('keep memory flat from call to call, and an error names the function later', () => {
    using _ = scope();
    using step = compile(write, { name: 'write', donate: [0] });
    let state = { rows: tf.zeros([10, size]) as tf.Tensor };
    const first = state.rows;
    let bytes = 0;
    for (let i = 0; i < 10; i++) {
      const at = tf.scalar(i, 'int32');
      const { rows, sum } = step(state, at);
      state = { rows };
      expect(values(sum)[0]).toBe((i + 1) * size);
      sum.dispose();
      at.dispose();
      if (i === 0) bytes = inUse().bytes;
    }
    expect(inUse().bytes).toBe(bytes);
    expect(step.traces).toBe(1);
    for (const use of [
      () => tf.neg(first),
      () => first.dataSync(),
      () => step({ rows: first }, tf.scalar(0, 'int32')),
    ]) {
      expect(use).toThrow(DonatedTensorError);
      expect(use).toThrow("donated to the compiled function 'write'");
    }
  });

  test('are copied where another tensor shares the data, or an argument or result is the same', () => {
    using _ = scope();
    using step = compile((a: tf.Tensor, b: tf.Tensor) => [tf.add(a, 1), tf.mul(a, b), a], { donate: [0] });
    for (let i = 0; i < 3; i++) {
      const a = tf.add(tf.ones([size]), 1);
      const clone = tf.clone(a);
      const flat = tf.reshape(a, [size, 1]);
      const [sum, product, same] = step(a, clone) as [tf.Tensor, tf.Tensor, tf.Tensor];
      expect([sum, product, same, clone, flat].map((x) => values(x)[size - 1])).toEqual([3, 4, 2, 2, 2]);
      const [twice] = step(same, same) as [tf.Tensor];
      expect(values(twice)[0]).toBe(3);
      expect(same.isDisposed).toBe(true);
    }
  });

  test('and assigned variables are read first by what was recorded before', () => {
    using _ = scope();
    using step = compile((x: tf.Tensor) => tf.add(x, 1), { donate: [0] });
    const weight = tf.variable(tf.fill([size], 7));
    using assign = compile(() => weight.assign(tf.add(weight, 1)));
    for (let i = 0; i < 3; i++) {
      const x = tf.add(tf.ones([size]), i);
      x.dataSync();
      const later = tf.mul(x, 10);
      const weighed = tf.mul(weight, 10);
      const next = step(x);
      assign();
      expect([later, next, weighed].map((y) => values(y)[0])).toEqual([10 * (i + 1), i + 2, 10 * (i + 7)]);
    }
  });

  test('are left as they were by a failed check', () => {
    using _ = scope();
    using step = compile((x: tf.Tensor) => tf.log(x), { donate: [0] });
    const x = tf.neg(tf.ones([size]));
    x.dataSync();
    expect(() => checkNumerics(() => step(x))).toThrow("kernel 'Log'");
    expect(values(x)[size - 1]).toBe(-1);
  });

  test('inside of another compiled function, and under a gradient', () => {
    using _ = scope();
    using inner = compile((x: tf.Tensor) => tf.square(x), { name: 'inner', donate: [0] });
    using outer = compile((x: tf.Tensor) => inner(tf.add(x, 1)));
    expect(values(outer(tf.ones([2])))).toEqual([4, 4]);
    const given = tf.tensor1d([3, 4]);
    const weight = tf.variable(tf.tensor1d([3, 4]));
    const { value, grads } = valueAndGrad(() => tf.sum(inner(tf.mul(weight, 1))) as tf.Scalar, { weight });
    expect(values(value)).toEqual([25]);
    expect(values(grads['weight'] as tf.Tensor)).toEqual([6, 8]);
    inner(given);
    expect(() => tf.neg(given)).toThrow("donated to the compiled function 'inner'");
  });
});
