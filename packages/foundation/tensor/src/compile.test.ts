/** `compile` on engines that do not compile, and how it hands over to one that does; tracing itself is the engines' test. */
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { compile, isTracing, random, runTrace, tf, TraceReadError, tree, useEngine } from './index.ts';
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
