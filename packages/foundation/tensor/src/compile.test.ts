/** `compile` on engines that do not compile, and how it hands over to one that does; tracing itself is the engines' test. */
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import {
  compile,
  DonatedTensorError,
  isTracing,
  random,
  runTrace,
  tf,
  TraceReadError,
  tree,
  useEngine,
} from './index.ts';
import type { CompilingBackend, Program } from './index.ts';
import { expectNoLeak } from './testing/index.ts';

describe.each(['cpu', 'wasm'])('%s', (engine) => {
  beforeAll(() => useEngine(engine));

  test('trees go in and come out, and nothing else is left', () => {
    const step = compile(({ x, y }: { x: tf.Tensor; y: tf.Tensor }, factor: number) => ({
      sum: tf.add(tf.mul(x, factor), y),
      list: [tf.square(x), 'static'],
    }));
    const x = tf.tensor1d([1, 2]);
    const y = tf.tensor1d([3, 4]);
    const result = expectNoLeak(() => step({ x, y }, 10), 2);
    expect([...result.sum.dataSync()]).toEqual([13, 24]);
    expect(result.list[1]).toBe('static');
    expect(step.traces).toBe(0);
    tree.dispose([result, x, y]);
    step.dispose();
  });

  test('assigned variables keep their new value', () => {
    const w = tf.variable(tf.scalar(1));
    const step = compile(() => {
      w.assign(tf.mul(w, 2));
    });
    expectNoLeak(() => {
      for (let i = 0; i < 5; i++) step();
    });
    expect(w.dataSync()[0]).toBe(32);
    w.dispose();
  });

  test('donated arguments are used up, and a later use says by what', () => {
    const step = compile(
      (state: { a: tf.Tensor; b: tf.Tensor }, x: tf.Tensor) => ({ a: tf.add(state.a, x), b: state.b }),
      {
        name: 'turn',
        donate: [0],
      },
    );
    const x = tf.tensor1d([1, 2]);
    const state = { a: tf.tensor1d([3, 4]), b: tf.tensor1d([5, 6]) };
    const before = tf.memory().numTensors;
    const next = step(state, x);
    expect(tf.memory().numTensors).toBe(before);
    expect([state.a.isDisposed, state.b.isDisposed, x.isDisposed]).toEqual([true, true, false]);
    expect([...next.a.dataSync(), ...next.b.dataSync()]).toEqual([4, 6, 5, 6]);
    const message = /float32 tensor of shape \[2\] is used after it was donated to the compiled function 'turn'/;
    for (const use of [
      () => state.a.dataSync(),
      () => tf.add(x, state.a),
      () => state.b.clone(),
      () => step({ a: x, b: state.b }, x),
    ]) {
      expect(use).toThrow(message);
      expect(use).toThrow(DonatedTensorError);
    }
    state.a.dispose(); // as often as one likes
    expect([...x.dataSync()]).toEqual([1, 2]);
    tree.dispose([next, x]);
  });

  test('a call that throws uses up nothing', () => {
    const step = compile(
      (x: tf.Tensor, fail: boolean) => {
        if (fail) throw new Error('no');
        return tf.neg(x);
      },
      { donate: [0] },
    );
    const x = tf.scalar(2);
    expect(() => step(x, true)).toThrow('no');
    const y = step(x, false);
    expect([y.dataSync()[0], x.isDisposed]).toEqual([-2, true]);
    y.dispose();
  });

  test('what cannot be donated', () => {
    const step = compile((x: tf.Tensor) => tf.neg(x), { name: 'turn', donate: [0] });
    const w = tf.variable(tf.scalar(1), true, `donated ${engine}`);
    expect(() => step(w)).toThrow(`argument 0 of 'turn' is donated, but holds the variable 'donated ${engine}'`);
    w.dispose();
    expect(() => compile(() => 1, { name: 'turn', donate: [0.5] })).toThrow(
      "'donate' of 'turn' must hold positions of arguments, from 0 on, but got [0.5]",
    );
  });

  test('a promise is an error that names the function', () => {
    const step = compile(() => Promise.resolve(1), { name: 'myStep' });
    expect(() => step()).toThrow("compile: 'myStep' returned a promise");
  });
});

describe('a backend that compiles', () => {
  const calls: string[] = [];
  let backend: CompilingBackend;

  beforeAll(async () => {
    await useEngine('cpu');
    backend = tf.backend() as CompilingBackend;
    backend.compileFunction = <A extends unknown[], R>(fn: (...args: A) => R, name: string): Program<A, R> => {
      let traces = 0;
      return {
        call(...args: A): R {
          if (traces === 0) traces++;
          calls.push(`call ${name}`);
          return runTrace(() => fn(...args));
        },
        get traces() {
          return traces;
        },
        dispose: () => void calls.push(`dispose ${name}`),
      };
    };
  });
  afterAll(() => {
    Reflect.deleteProperty(backend, 'compileFunction');
  });

  test('gets the function once, and is told when it is no longer needed', () => {
    const seen: boolean[] = [];
    {
      using double = compile(function double(x: tf.Tensor) {
        seen.push(isTracing(), random.hasKey());
        return tf.mul(x, 2);
      });
      using x = tf.scalar(3);
      using key = random.key(0);
      random.withKey(key, () => {
        double(x).dispose();
        double(x).dispose();
      });
      expect(double.traces).toBe(1);
      expect(double.name).toBe('double');
    }
    expect(calls).toEqual(['call double', 'call double', 'dispose double']);
    // The ambient key is hidden: the trace would freeze it.
    expect(seen).toEqual([true, false, true, false]);
    expect(isTracing()).toBe(false);
    expect(new TraceReadError('tensor.dataSync()', 'step.ts:3').message).toContain('step.ts:3');
  });
});
