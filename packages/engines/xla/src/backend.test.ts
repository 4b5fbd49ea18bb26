/** The recorder: memory, data types, traces, donation, failures. */
import { TraceReadError, compile, random, scope, tf, useEngine, valueAndGrad } from '@tesserae/tensor';
import { expectClose, expectNoLeak } from '@tesserae/tensor/testing';
import { afterEach, beforeAll, beforeEach, describe, expect, test } from 'vitest';
import type { XlaBackend } from './backend.ts';
import { xla } from './provider.ts';
import { xlaAvailable } from './testing/xla-available.ts';

const backend = (): XlaBackend => tf.backend() as XlaBackend;
const deviceBytes = (): number => {
  backend().flush();
  return backend().client.bytesInUse;
};
const values = (tensor: tf.Tensor): number[] => [...tensor.dataSync<'float32'>()];

describe.skipIf(!(await xlaAvailable()))('XlaBackend', () => {
  let before: { tensors: number; bytes: number };
  beforeAll(async () => {
    await useEngine('xla:cpu', [xla]);
  });
  beforeEach(() => {
    before = { tensors: tf.memory().numTensors, bytes: deviceBytes() };
  });
  // Every test puts the engine back as it was.
  afterEach(() => {
    tf.disposeVariables();
    expect({ tensors: tf.memory().numTensors, bytes: deviceBytes() }).toEqual(before);
  });

  describe('data', () => {
    test('of every type comes back as it was written', () => {
      using _ = scope();
      expect(values(tf.tensor1d([1.5, NaN, -0, Infinity]))).toEqual([1.5, NaN, -0, Infinity]);
      expect(tf.tensor1d([1, -(2 ** 31)], 'int32').dataSync()).toEqual(Int32Array.of(1, -(2 ** 31)));
      expect([...tf.tensor1d([true, false], 'bool').dataSync()]).toEqual([1, 0]);
      expect(tf.tensor1d(['a', 'ü']).dataSync<'string'>()).toEqual(['a', 'ü']);
      expect([...tf.complex([1, 2], [3, 4]).dataSync()]).toEqual([1, 3, 2, 4]);
      expect(tf.zeros([0, 3]).dataSync()).toHaveLength(0);
      expect(values(tf.scalar(7))).toEqual([7]);
    });

    test('is copied when it is written', () => {
      for (const size of [4, 5000]) {
        using _ = scope();
        const array = new Float32Array(size).fill(1);
        const tensor = tf.tensor1d(array);
        array.fill(2);
        expect(Math.max(...values(tf.add(tensor, 0)))).toBe(1);
      }
    });

    test('of 64 MB goes there and back', () => {
      using _ = scope();
      const array = Float32Array.from({ length: 2 ** 24 }, (_value, i) => i);
      const back = tf.tensor1d(array).dataSync();
      expect(back[2 ** 24 - 1]).toBe(2 ** 24 - 1);
      expect(back.every((value, i) => value === i)).toBe(true);
    });

    test('may be read twice, asynchronously and together', async () => {
      using _ = scope();
      const x = tf.square(tf.tensor1d([1, 2, 3]));
      const y = tf.add(x, 1);
      const both = await Promise.all([x.data(), y.data(), x.data()]);
      expect(both.map((data) => [...data])).toEqual([
        [1, 4, 9],
        [2, 5, 10],
        [1, 4, 9],
      ]);
    });

    test('of a variable that shares data of another shape follow its own shape once assigned', () => {
      using _ = scope();
      const flat = tf.square(
        tf.tensor2d([
          [1, 2, 3],
          [4, 5, 6],
        ]),
      );
      const shaped = tf.reshape(flat, [3, 2]);
      const variable = tf.variable(shaped);
      tf.dispose([flat, shaped]); // so that the variable's data are its own
      using step = compile(() => {
        variable.assign(tf.add(variable, 1));
      });
      step();
      step();
      expect(values(tf.add(variable, 0))).toEqual([3, 6, 11, 18, 27, 38]);
      // The node must say what its buffer is: a plugin may refuse an argument of another shape.
      expect(backend().dataOf(variable.dataId).node?.shape).toEqual([3, 2]);
      variable.dispose();
    });

    test('of the wrong length is refused', () => {
      expect(() => backend().write(new Float32Array(3), [2, 2], 'float32')).toThrow(/\[2, 2\] needs 4 values.*got 3/);
    });

    test('that numbers cannot be made of is refused', () => {
      using _ = scope();
      const strings = tf.tensor1d(['a']);
      expect(() => backend().nodeOf(strings)).toThrow(/strings/);
      expect(() => tf.cast(tf.tensor1d([1]), 'string')).toThrow(/string/);
    });
  });

  describe('recording', () => {
    test('computes what is alive, once', () => {
      using _ = scope();
      const x = tf.tensor1d([1, 2, 3]);
      const count = backend().programs.compilations;
      const y = tf.tidy(() => tf.mul(tf.add(x, 1), tf.add(x, 2)));
      const z = tf.sub(y, x);
      expect(backend().programs.compilations).toBe(count);
      expect(values(z)).toEqual([5, 10, 17]);
      expect(backend().programs.compilations).toBe(count + 1);
      expect(values(y)).toEqual([6, 12, 20]);
      expect(backend().programs.compilations).toBe(count + 1);
    });

    test('the same program with other numbers is not compiled again', () => {
      using _ = scope();
      const run = (value: number): number[] => values(tf.mul(tf.tensor1d([value, 1]), tf.scalar(value)));
      expect(run(2)).toEqual([4, 2]);
      const count = backend().programs.compilations;
      expect(run(3)).toEqual([9, 3]);
      expect(backend().programs.compilations).toBe(count);
    });

    test('inputs may be disposed before the result is read', () => {
      const large = tf.ones([4096]);
      const x = tf.mul(large, 2);
      backend().flush();
      const y = tf.add(x, 1);
      large.dispose();
      x.dispose();
      expect(values(y).every((value) => value === 3)).toBe(true);
      y.dispose();
    });

    test('reshaped tensors and clones share memory until the last is gone', () => {
      const x = tf.ones([64, 64]);
      const flat = tf.reshape(x, [4096]);
      const copy = flat.clone();
      x.dispose();
      flat.dispose();
      const sum = tf.sum(copy);
      expect(values(sum)).toEqual([4096]);
      sum.dispose();
      copy.dispose();
    });

    test('does not let disposed memory pile up without a read', () => {
      const large = tf.zeros([2 ** 20]);
      let x = tf.add(large, 1);
      for (let i = 0; i < 300; i++) {
        const next = tf.add(x, 1);
        x.dispose();
        x = next;
        if (i % 10 === 0) backend().flush();
      }
      expect(backend().client.bytesInUse - before.bytes).toBeLessThan(200 * 2 ** 20);
      expect(x.dataSync()[0]).toBe(301);
      x.dispose();
      large.dispose();
    });

    test('many ops flush by themselves', () => {
      using _ = scope();
      const x = tf.square(tf.scalar(3));
      const count = backend().programs.compilations;
      for (let i = 0; i < 5000; i++) tf.add(x, i).dispose();
      expect(backend().programs.compilations).toBe(count + 1);
      expect(values(x)).toEqual([9]);
    });

    test('kernels of the host take part', async () => {
      using s = scope();
      const x = tf.mul(tf.tensor1d([1, 2, 1]), 2);
      const { values: unique, indices } = tf.unique(x);
      expect(values(unique)).toEqual([2, 4]);
      expect([...tf.add(indices, 1).dataSync()]).toEqual([1, 2, 1]);
      expect(backend().hostFallbacks.get('Unique')).toBeGreaterThan(0);
      const where = s.keep(await tf.whereAsync(tf.tensor1d([1, 0, 1], 'bool')));
      expect([...where.dataSync()]).toEqual([0, 2]);
      where.dispose();
      expect(tf.equal(tf.tensor1d(['a', 'b']), tf.scalar('b')).dataSync()).toEqual(Uint8Array.of(0, 1));
    });
  });

  describe('compile', () => {
    test('traces once for each shape, static argument and precision', () => {
      using _ = scope();
      using double = compile((x: tf.Tensor, by: number) => tf.mul(x, by));
      expect(values(double(tf.tensor1d([1, 2]), 2))).toEqual([2, 4]);
      expect(values(double(tf.tensor1d([3, 4]), 2))).toEqual([6, 8]);
      expect(double.traces).toBe(1);
      expect(values(double(tf.tensor1d([3]), 2))).toEqual([6]);
      expect(values(double(tf.tensor1d([3]), 5))).toEqual([15]);
      expect(values(double(tf.tensor1d([3], 'int32'), 5))).toEqual([15]);
      expect(double.traces).toBe(4);
    });

    test('a training step stays in its memory for 1,000 steps', () => {
      using _ = scope();
      const weights = tf.variable(tf.zeros([64, 64]));
      const momentum = tf.variable(tf.zeros([64, 64]));
      const x = tf.ones([8, 64]);
      using step = compile((input: tf.Tensor2D) => {
        const { value, grads } = valueAndGrad(
          () => tf.mean(tf.square(tf.sub(tf.matMul(input, weights as tf.Tensor2D), 1))) as tf.Scalar,
          { weights },
        );
        momentum.assign(tf.add(tf.mul(momentum, 0.9), grads['weights'] as tf.Tensor));
        weights.assign(tf.sub(weights, tf.mul(momentum, 0.05)));
        return value;
      });
      step(x as tf.Tensor2D).dispose();
      const bytes = deviceBytes();
      const tensors = tf.memory().numTensors;
      let last = 0;
      for (let i = 0; i < 1000; i++) {
        const loss = step(x as tf.Tensor2D);
        if (i % 250 === 249) last = loss.dataSync()[0] as number;
        loss.dispose();
      }
      expect(step.traces).toBe(1);
      expect(last).toBeLessThan(1e-6);
      expect(deviceBytes()).toBe(bytes);
      expect(tf.memory().numTensors).toBe(tensors);
    });

    test('a variable whose value is shared is not donated', () => {
      using _ = scope();
      const counter = tf.variable(tf.ones([2000]));
      using step = compile(() => {
        counter.assign(tf.add(counter, 1));
        return tf.sum(counter);
      });
      step();
      const snapshot = counter.clone();
      step();
      step();
      expect(values(snapshot)[0]).toBe(2);
      expect(values(counter)[0]).toBe(4);
    });

    test('one value in two variables is updated in both', () => {
      using _ = scope();
      const start = tf.ones([1500]);
      const [a, b] = [tf.variable(start), tf.variable(start)];
      using step = compile(() => {
        a.assign(tf.add(a, 1));
        b.assign(tf.mul(b, 10));
      });
      step();
      step();
      expect([values(a)[0], values(b)[0], values(start)[0]]).toEqual([3, 100, 1]);
    });

    test('a variable assigned twice, swapped, or to a constant', () => {
      using _ = scope();
      const [a, b] = [tf.variable(tf.scalar(1)), tf.variable(tf.scalar(2))];
      using step = compile(() => {
        const old = a.clone();
        a.assign(b);
        b.assign(old);
        b.assign(tf.add(b, 10));
      });
      step();
      expect([values(a)[0], values(b)[0]]).toEqual([2, 11]);
      step();
      expect([values(a)[0], values(b)[0]]).toEqual([11, 12]);
      using reset = compile(() => a.assign(tf.scalar(0)));
      reset();
      expect(values(a)).toEqual([0]);
    });

    test('a variable takes the value of another, or of a tensor that it shares', () => {
      using _ = scope();
      const start = tf.scalar(5);
      const [a, b] = [tf.variable(start), tf.variable(tf.scalar(1))];
      using copy = compile(() => b.assign(a));
      using reset = compile(() => a.assign(start));
      copy();
      expect(values(b)).toEqual([5]);
      a.assign(tf.scalar(7));
      copy();
      expect(values(b)).toEqual([7]);
      reset();
      expect(values(a)).toEqual([5]);
      a.assign(tf.scalar(8));
      reset();
      expect([values(a)[0], values(start)[0]]).toEqual([5, 5]);
    });

    test('reading a value in a trace throws, and leaves everything as it was', () => {
      using _ = scope();
      const weight = tf.variable(tf.ones([1200]));
      let read = true;
      using step = compile((x: tf.Tensor) => {
        weight.assign(tf.mul(weight, 3));
        tf.variable(tf.zeros([5]));
        if (read) tf.sum(weight).dataSync();
        return tf.add(x, weight);
      });
      const x = tf.ones([1200]);
      const state = { ...tf.memory(), numVariables: Object.keys(tf.engine().state.registeredVariables).length };
      expect(() => step(x)).toThrow(TraceReadError);
      expect(() => step(x)).toThrow(/dataSync.*backend\.test\.ts/);
      expect(tf.memory().numTensors).toBe(state.numTensors);
      expect(Object.keys(tf.engine().state.registeredVariables)).toHaveLength(state.numVariables);
      expect(values(weight)[0]).toBe(1);
      read = false;
      expect(values(step(x))[0]).toBe(4);
      expect(values(weight)[0]).toBe(3);
    });

    test('a kernel of the host in a trace is named', () => {
      using _ = scope();
      using step = compile((x: tf.Tensor1D) => tf.unique(x).values);
      expect(() => step(tf.tensor1d([1, 1]))).toThrow(/'Unique' is computed on the host/);
      expect(values(tf.add(tf.scalar(1), 1))).toEqual([2]);
    });

    test('variables made in the first call are there in the next', () => {
      using _ = scope();
      let total: tf.Variable | undefined;
      using step = compile((x: tf.Tensor) => {
        total ??= tf.variable(tf.zeros([]));
        total.assign(tf.add(total, x));
        return tf.mul(total, 2);
      });
      expect([1, 2, 3, 4].map((x) => values(step(tf.scalar(x)))[0])).toEqual([2, 6, 12, 20]);
      expect(step.traces).toBeLessThanOrEqual(2);
    });

    test('a compiled function within another joins its program', () => {
      using _ = scope();
      using inner = compile((x: tf.Tensor) => tf.square(x));
      using outer = compile((x: tf.Tensor) => tf.add(inner(x), inner(tf.add(x, 1))));
      expect(values(outer(tf.scalar(3)))).toEqual([25]);
      expect(inner.traces).toBe(0);
      expect(outer.traces).toBe(1);
    });

    test('gradients, inside and through', () => {
      using _ = scope();
      const x = tf.tensor1d([1, 2, 3]);
      const cube = (v: tf.Tensor): tf.Tensor => tf.sum(tf.pow(v, 3));
      using inside = compile((v: tf.Tensor1D) => tf.grad(cube)(v));
      expectClose(inside(x), [3, 12, 27]);
      using compiled = compile(cube);
      compiled(x);
      expectClose(tf.grad(compiled)(x), [3, 12, 27]);
      const [da, db] = tf.grads((a: tf.Tensor, b: tf.Tensor) => compiled(tf.mul(a, b)))([x, tf.scalar(2)]);
      expectClose(da as tf.Tensor, [24, 96, 216]);
      expectClose(db as tf.Tensor, 3 * 4 * 36);
    });

    test('nested arguments and results, the same tensor twice, and arguments that come back', () => {
      using _ = scope();
      using program = compile((input: { a: tf.Tensor; list: tf.Tensor[]; note: string }) => ({
        same: input.a,
        sums: input.list.map((x) => tf.add(x, input.a)),
        twice: [input.a, input.a],
        note: input.note,
      }));
      const a = tf.tensor1d([1, 2]);
      const result = program({ a, list: [tf.scalar(1), a], note: 'x' });
      expect(values(result.same)).toEqual([1, 2]);
      expect(result.sums.map(values)).toEqual([
        [2, 3],
        [2, 4],
      ]);
      expect(result.twice.map(values)).toEqual([
        [1, 2],
        [1, 2],
      ]);
      expect(result.note).toBe('x');
      result.same.dispose();
      expect(values(a)).toEqual([1, 2]);
    });

    test('captured tensors are constants, and may be disposed by their owner', () => {
      using _ = scope();
      const table = tf.range(0, 3000);
      using look = compile((i: tf.Tensor1D) => tf.gather(table, i));
      expect(values(look(tf.tensor1d([5, 2999], 'int32')))).toEqual([5, 2999]);
      table.dispose();
      expect(values(look(tf.tensor1d([7, 8], 'int32')))).toEqual([7, 8]);
    });

    test('tidy, keep and dispose inside a trace', () => {
      using _ = scope();
      using program = compile((x: tf.Tensor) => {
        const part = tf.tidy(() => tf.keep(tf.add(x, 1)));
        const result = tf.mul(part, 2);
        part.dispose();
        return result;
      });
      const one = tf.scalar(1);
      program(one);
      expectNoLeak(() => {
        program(one).dispose();
      });
      expect(values(program(tf.scalar(1)))).toEqual([4]);
    });

    test('integers, bools and complex numbers go in and out', () => {
      using _ = scope();
      using program = compile((i: tf.Tensor, b: tf.Tensor, c: tf.Tensor) => ({
        i: tf.add(i, tf.scalar(1, 'int32')),
        b: tf.logicalNot(b),
        c: tf.mul(c, c),
        n: tf.cast(b, 'int32'),
      }));
      const result = program(tf.tensor1d([7], 'int32'), tf.tensor1d([1, 0], 'bool'), tf.complex([1], [2]));
      expect([result.i.dtype, result.b.dtype, result.c.dtype, result.n.dtype]).toEqual([
        'int32',
        'bool',
        'complex64',
        'int32',
      ]);
      expect([...result.i.dataSync()]).toEqual([8]);
      expect([...result.b.dataSync()]).toEqual([0, 1]);
      expect([...result.c.dataSync()]).toEqual([-3, 4]);
      expect([...result.n.dataSync()]).toEqual([1, 0]);
    });

    test('disposed arguments and variables are named', () => {
      using _ = scope();
      const weight = tf.variable(tf.ones([3]), true, 'weight');
      using program = compile((x: tf.Tensor) => tf.mul(x, weight), { name: 'scale' });
      const x = tf.ones([3]);
      program(x);
      const gone = tf.ones([3]);
      gone.dispose();
      expect(() => program(gone)).toThrow(/argument of 'scale', shape \[3\], is disposed/);
      weight.dispose();
      expect(() => program(x)).toThrow(/'scale' uses variable 'weight', which was disposed/);
    });

    test('fresh random numbers for each key', () => {
      using _ = scope();
      using draw = compile((key: tf.Tensor) => random.normal(key as random.Key, [3]));
      expectClose(draw(random.key(1)), random.normal(random.key(1), [3]));
      expectClose(draw(random.key(2)), random.normal(random.key(2), [3]));
      expect(draw.traces).toBe(1);
    });
  });
});
