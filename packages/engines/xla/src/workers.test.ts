/** Engines in worker threads, and an event loop that goes on while programs run. */
import { execFile } from 'node:child_process';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { Worker } from 'node:worker_threads';
import { compile, scope, tf, useEngine } from '@tesserae/tensor';
import { beforeAll, describe, expect, test } from 'vitest';
import { xlaProvider } from './provider.ts';
import { xlaAvailable } from './testing/xla-available.ts';

const file = join(import.meta.dirname, 'testing/worker-engine.process.ts');
const execArgv = ['-C', '@tesserae/source', '--disable-warning=ExperimentalWarning'];

describe.skipIf(!(await xlaAvailable()))('worker threads', { timeout: 180_000 }, () => {
  beforeAll(async () => {
    await useEngine('xla:cpu', [xlaProvider({ asynchronous: true, programCache: false })]);
  });

  const work = (target: number): Promise<{ weight: number; before: number; backend: string; shared: number }> =>
    new Promise((resolve, reject) => {
      const shared = new Float32Array(new SharedArrayBuffer(4));
      const worker = new Worker(file, { workerData: { target, shared }, execArgv });
      let answer: { weight: number; before: number; backend: string };
      worker.on('message', (message: typeof answer) => (answer = message));
      worker.on('error', reject);
      worker.on('exit', (code) =>
        code === 0 ? resolve({ ...answer, shared: shared[0]! }) : reject(new Error(`exit code ${code}`)),
      );
    });

  test('each have an engine of their own, beside the one of the main thread and after each other', async () => {
    using s = scope();
    const x = s.keep(tf.square(tf.tensor1d([1, 2, 3])));
    const [a, b] = await Promise.all([work(3), work(-5)]);
    expect(a).toMatchObject({ backend: 'xla:cpu', before: 65536 });
    expect(a.weight).toBeCloseTo(3, 5);
    expect(b.weight).toBeCloseTo(-5, 5);
    expect(b.shared).toBe(b.weight);
    expect([...(await x.data())]).toEqual([1, 4, 9]);
    expect((await work(1)).weight).toBeCloseTo(1, 5);
    expect([...tf.add(x, 1).dataSync()]).toEqual([2, 5, 10]);
    x.dispose();
  });

  test('may be the only ones with an engine, and end before the process does', async () => {
    const script = `const { Worker } = require('node:worker_threads');
      const shared = new Float32Array(new SharedArrayBuffer(4));
      const run = (target) => new Promise((resolve) => {
        const worker = new Worker(${JSON.stringify(file)}, { workerData: { target, shared }, execArgv: ${JSON.stringify(execArgv)} });
        worker.on('message', ({ weight }) => console.log(Math.round(weight)));
        worker.on('exit', resolve);
      });
      run(2).then(() => run(4)).then(() => setTimeout(() => console.log('end'), 200));`;
    const { stdout } = await promisify(execFile)(process.execPath, [...execArgv, '-e', script]);
    expect(stdout.trim().split('\n')).toEqual(['2', '4', 'end']);
  });

  test('data() lets timers tick while a long program runs; dataSync() does not', async () => {
    using s = scope();
    using long = compile((x: tf.Tensor2D) => {
      let y = x;
      for (let i = 0; i < 6; i++) y = tf.mul(tf.matMul(y, x), 1e-3);
      return tf.mean(y);
    });
    const x = s.keep(tf.ones([1000, 1000])) as tf.Tensor2D;
    await s.keep(long(x)).data();
    const ticksDuring = async (read: (y: tf.Tensor) => unknown): Promise<{ ticks: number; milliseconds: number }> => {
      let ticks = 0;
      const timer = setInterval(() => ticks++, 1);
      const y = s.keep(long(x));
      const start = performance.now();
      await read(y);
      const milliseconds = performance.now() - start;
      clearInterval(timer);
      y.dispose();
      return { ticks, milliseconds };
    };
    const free = await ticksDuring((y) => y.data());
    const blocked = await ticksDuring((y) => y.dataSync());
    expect(blocked.ticks).toBe(0);
    // Some 100 ms on two cores; what matters is that timers went on at all.
    if (free.milliseconds > 20) expect(free.ticks).toBeGreaterThan(3);
    x.dispose();
  });
});
