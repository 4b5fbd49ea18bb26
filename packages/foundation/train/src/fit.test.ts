import { mkdtempSync, readdirSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { AdamW, type Module, schedules, SGD } from '@tesserae/nn';
import { tf, tree, useEngine } from '@tesserae/tensor';
import { expectNoLeak } from '@tesserae/tensor/testing';
import { afterEach, beforeAll, beforeEach, describe, expect, test } from 'vitest';
import {
  CheckpointError,
  Evaluator,
  fit,
  type FitOptions,
  type FitResult,
  NonFiniteError,
  readJsonl,
  readSafetensors,
} from './index.ts';
import { createToy, type Toy, type ToyBatch, ToyLoader } from './testing/toy.ts';

let root: string;
beforeAll(() => useEngine('cpu'));
beforeEach(() => {
  root = mkdtempSync(join(tmpdir(), 'fit-'));
});
afterEach(() => rmSync(root, { recursive: true }));

const values = (named: Record<string, tf.Tensor>): Record<string, number[]> =>
  Object.fromEntries(Object.entries(named).map(([name, tensor]) => [name, [...tensor.dataSync()]]));

/** A run of a new toy, everything disposed afterwards; what is left of it are numbers. */
async function train(options: Partial<FitOptions<ToyBatch>> & { toy?: Toy } = {}): Promise<{
  result: FitResult;
  parameters: Record<string, number[]>;
  state: Record<string, number[]>;
  lines: string[];
}> {
  const { toy: model = createToy(), ...rest } = options;
  using optimizer = new AdamW({ learningRate: schedules.cosine({ peak: 0.02, warmup: 3, total: 20 }) });
  const lines: string[] = [];
  try {
    const result = await fit({
      model,
      loss: (batch, { training }) => model.loss(batch, training),
      data: new ToyLoader(),
      optimizer,
      steps: 20,
      every: { log: 1 },
      log: (line) => lines.push(line),
      ...rest,
    });
    const state = { ...values(optimizer.state()), ...(result.ema ? values(result.ema.state()) : {}) };
    result.ema?.dispose();
    return { result, parameters: values(model.parameters()), state, lines };
  } finally {
    model.dispose();
  }
}

describe('training', () => {
  test('learns, logs and leaves nothing behind but the result', async () => {
    await expectNoLeak(async () => {
      const { result, lines } = await train({ steps: 200, every: { log: 50 }, clip: 1 });
      expect(result).toMatchObject({ steps: 200, stopped: 'done', resumedFrom: 0, checkpoint: undefined });
      expect(result.history.map(({ step }) => step)).toEqual([1, 50, 100, 150, 200]);
      expect(result.history[1]!.loss).toBeLessThan(result.history[0]!.loss);
      const last = result.history[4]!;
      expect(last.terms.double! / last.loss).toBeCloseTo(2, 5);
      expect(lines.length).toBe(5);
      expect(lines[4]).toMatch(/^200\/200 \(100 %\) {2}loss \S+ {2}error \S+ {2}double \S+ {2}\S+ steps\/s {2}\d+ MB$/);
    });
  });

  test('is a function of the seed', async () => {
    const [a, b, c] = [await train({ seed: 3 }), await train({ seed: 3 }), await train({ seed: 4 })];
    expect(a.parameters).toEqual(b.parameters);
    expect(a.parameters).not.toEqual(c.parameters);
  });

  test('memory is flat from step to step, on both engines', async () => {
    for (const engine of ['cpu', 'wasm']) {
      await useEngine(engine);
      const counts: number[] = [];
      await train({
        steps: 100,
        every: { log: 10, validate: 10 },
        ema: 0.9,
        validate: () => ({ tensors: counts.push(tf.memory().numTensors) }),
      });
      expect(new Set(counts).size).toBe(1);
      expect(counts.length).toBe(10);
    }
    await useEngine('cpu');
  });

  test('accumulating batches equals one large batch', async () => {
    class Doubled extends ToyLoader {
      override async *[Symbol.asyncIterator](): AsyncGenerator<ToyBatch> {
        const single = super[Symbol.asyncIterator]();
        for (;;) {
          const [a, b] = [(await single.next()).value as ToyBatch, (await single.next()).value as ToyBatch];
          const join = (key: 'x' | 'y'): ToyBatch['x'] => ({
            data: Float32Array.from([...a[key].data, ...b[key].data]),
            shape: [16, a[key].shape[1]!],
          });
          yield { x: join('x'), y: join('y') };
        }
      }
    }
    // Without dropout, whose masks differ.
    const run = async (data: ToyLoader, accumulate: number) => {
      const toy = createToy();
      return train({ toy, data, accumulate, clip: 0.5, loss: (batch) => toy.loss(batch, false), steps: 5 });
    };
    const [parts, whole] = [await run(new ToyLoader(), 2), await run(new Doubled(), 1)];
    for (const [i, entry] of parts.result.history.entries()) {
      expect(entry.loss).toBeCloseTo(whole.result.history[i]!.loss, 5);
      expect(entry.gradientNorm).toBeCloseTo(whole.result.history[i]!.gradientNorm, 5);
    }
    for (const [name, numbers] of Object.entries(parts.parameters)) {
      numbers.forEach((number, i) => expect(number).toBeCloseTo(whole.parameters[name]![i]!, 4));
    }
  });

  test('clipping bounds the update', async () => {
    const model = createToy();
    const before = values(model.parameters());
    using optimizer = new SGD({ learningRate: 1 });
    const after = await fit({
      model,
      loss: (batch, { training }) => model.loss(batch, training),
      data: new ToyLoader(),
      optimizer,
      steps: 1,
      clip: 0.01,
      log: () => {},
    });
    expect(after.history[0]!.gradientNorm).toBeGreaterThan(0.1);
    const moved = Object.entries(values(model.parameters())).flatMap(([name, numbers]) =>
      numbers.map((number, i) => number - before[name]![i]!),
    );
    expect(Math.hypot(...moved)).toBeCloseTo(0.01, 4);
    model.dispose();
  });

  test('starts a finite source again, and refuses an empty one', async () => {
    const batches: ToyBatch[] = [];
    for await (const batch of new ToyLoader()) if (batches.push(batch) === 3) break;
    expect((await train({ data: batches, steps: 7 })).result.steps).toBe(7);
    await expect(train({ data: [] })).rejects.toThrow(/'data' gave no batch/);
  });

  test('prepare sees the first batch, once, and must not be forgotten', async () => {
    const calls: number[][] = [];
    const out = join(root, 'run');
    const prepare: FitOptions<ToyBatch>['prepare'] = ({ x }, key) => void calls.push([...x.shape, key.size]);
    await train({ prepare, out, steps: 2 });
    await train({ prepare, out, steps: 4, resume: true });
    expect(calls).toEqual([[8, 3, 2]]);
    const model = Object.assign(createToy(), { prepare: () => {} });
    await expect(train({ toy: model })).rejects.toThrow(/Toy has a method 'prepare', so 'prepare' must be given/);
    await train({ toy: Object.assign(createToy(), { prepare: () => {} }), prepare: false, steps: 1 });
  });
});

describe('validation and samples', () => {
  test('run at their intervals with the averages in place', async () => {
    const toy = createToy();
    using held = new Evaluator<ToyBatch>({
      loss: (batch, { training }) => toy.loss(batch, training),
      data: new ToyLoader(),
      batches: 2,
    });
    const out = join(root, 'run');
    const seen: [string, number][] = [];
    const { result, parameters, lines } = await train({
      toy,
      out,
      ema: 0.9,
      every: { log: 10, validate: 8, sample: 10, checkpoint: 0 },
      validate: async ({ step }) => {
        seen.push(['validate', step]);
        return held.run();
      },
      onSample: ({ step, board }) => {
        expect(board).toBeDefined();
        seen.push(['sample', step]);
        if (step === 20) seen.push(['weight', toy.head.weight.dataSync()[0]!]);
      },
    });
    expect(seen.slice(0, -1)).toEqual([
      ['validate', 8],
      ['sample', 10],
      ['validate', 16],
      ['validate', 20],
      ['sample', 20],
    ]);
    const checkpoint = join(out, 'checkpoint');
    expect(result.checkpoint).toBe(checkpoint);
    const { tensors } = await readSafetensors(join(checkpoint, 'ema.safetensors'));
    expect(seen.at(-1)![1]).toBe(tensors['average.head.weight']!.dataSync()[0]);
    expect(seen.at(-1)![1]).not.toBe(parameters['head.weight']![0]);
    tree.dispose(tensors);
    expect(Object.keys(result.validation!)).toEqual(['loss', 'error', 'double']);
    expect(result.validation!.double).toBeCloseTo(2 * result.validation!.loss!, 5);
    expect(lines.filter((line) => line.startsWith('validation at step'))).toHaveLength(3);
    const logged = readJsonl(join(out, 'log.jsonl'));
    expect(logged.filter(({ kind }) => kind === 'validation').map(({ step }) => step)).toEqual([8, 16, 20]);
    expect(readdirSync(out).filter((name) => name.startsWith('events.out.tfevents'))).toHaveLength(1);
  });
});

describe('resume', () => {
  const run = { ema: 0.9, clip: 1, accumulate: 1 };

  test.each([
    ['one batch a step', 1],
    ['accumulation', 2],
  ])('20 steps straight and 10 + 10 are the same bits: %s', async (_, accumulate) => {
    for (const engine of ['cpu', 'wasm']) {
      await useEngine(engine);
      const out = join(root, engine);
      const straight = await train({ ...run, accumulate });
      const first = await train({ ...run, accumulate, steps: 10, out });
      const second = await train({ ...run, accumulate, out, resume: true });
      expect(second.result.resumedFrom).toBe(10);
      expect(second.lines[0]).toMatch(/Continuing after step 10 of 20 from .*checkpoint/);
      const losses = ({ result }: typeof first): number[] => result.history.map(({ loss }) => loss);
      expect([...losses(first), ...losses(second)]).toEqual(losses(straight));
      expect(second.parameters).toEqual(straight.parameters);
      expect(second.state).toEqual(straight.state);
      const logged = readJsonl(join(out, 'log.jsonl')).map(({ loss }) => loss);
      expect(logged).toEqual(losses(straight));
    }
    await useEngine('cpu');
  });

  test('log lines come out the same when an interval spans the resume', async () => {
    const every = { log: 8, checkpoint: 0 };
    const straight = await train({ ...run, every });
    const out = join(root, 'run');
    const abort = new AbortController();
    const first = await train({
      ...run,
      every: { ...every, sample: 5 },
      out,
      signal: abort.signal,
      onSample: () => abort.abort(),
    });
    expect(first.result).toMatchObject({ steps: 5, stopped: 'interrupted' });
    expect(first.lines.at(-1)).toMatch(/Stopped after step 5 of 20; continue with resume from .*checkpoint/);
    await train({ ...run, every, out, resume: true });
    const logged = readJsonl(join(out, 'log.jsonl')).map(({ step, loss, gradientNorm }) => [step, loss, gradientNorm]);
    expect(logged).toEqual(straight.result.history.map(({ step, loss, gradientNorm }) => [step, loss, gradientNorm]));
  });

  test('a finished run has nothing left to do', async () => {
    const out = join(root, 'run');
    const first = await train({ out });
    const again = await train({ out, resume: true });
    expect(again.result).toMatchObject({ steps: 20, resumedFrom: 20, stopped: 'done', history: [] });
    expect(again.parameters).toEqual(first.parameters);
  });

  test('without a checkpoint: from the start for true, an error for a folder', async () => {
    expect((await train({ out: join(root, 'new'), resume: true, steps: 2 })).result.resumedFrom).toBe(0);
    await expect(train({ resume: join(root, 'none') })).rejects.toThrow(CheckpointError);
    await expect(train({ resume: true })).rejects.toThrow(/there is no 'out' to continue from/);
  });

  test('another seed, fewer steps, another model: an error, and nothing is lost', async () => {
    const out = join(root, 'run');
    await train({ out, steps: 4 });
    await expect(train({ out, resume: true, seed: 1 })).rejects.toThrow(/was trained with seed 0, this run has 1/);
    await expect(train({ out, resume: true, steps: 3 })).rejects.toThrow(/has 4 steps already, this run asks for 3/);
    const other = Object.assign(createToy(), { extra: createToy() });
    await expect(train({ out, resume: true, toy: other })).rejects.toThrow(
      /Toy.load: .*'extra.hidden.weight' is missing/,
    );
    other.extra.dispose();
    expect((await train({ out, resume: true, steps: 5 })).result.resumedFrom).toBe(4);
  });

  test('starting anew over an old run says so', async () => {
    const out = join(root, 'run');
    await train({ out, steps: 2 });
    const { lines, result } = await train({ out, steps: 2 });
    expect(lines[0]).toMatch(/Starting anew; .*checkpoint will be replaced/);
    expect(result.resumedFrom).toBe(0);
  });
});

describe('trouble', () => {
  test('a loss that is no number stops the run and names the term, the parameter and the step', async () => {
    const toy = createToy();
    const out = join(root, 'run');
    const loss: FitOptions<ToyBatch>['loss'] = (batch, { step, training }) => {
      const { loss, terms } = toy.loss(batch, training);
      // log of a negative number from the sixth step on.
      const trap = tf.log(tf.sub(5.5, tf.cast(step, 'float32'))) as tf.Scalar;
      return { loss: tf.add(loss, tf.mul(trap, 1e-3)) as tf.Scalar, terms: { ...terms, trap } };
    };
    const before = tf.memory().numTensors;
    const error = await train({ toy, loss, out, every: { log: 10, checkpoint: 4 } }).catch((e: unknown) => e);
    expect(error).toBeInstanceOf(NonFiniteError);
    expect(error).toMatchObject({ step: 6, terms: ['loss', 'trap'] });
    expect((error as Error).message).toMatch(/step 6 gave numbers that are not finite: the loss terms 'loss', 'trap'/);
    expect(tf.memory().numTensors).toBeLessThanOrEqual(before);
    // The checkpoint is from before.
    expect((await train({ out, resume: true, steps: 5 })).result.resumedFrom).toBe(4);
  });

  test('a gradient that is no number names the first bad parameter', async () => {
    const toy = createToy();
    const loss: FitOptions<ToyBatch>['loss'] = (batch, { training }) => {
      const { loss } = toy.loss(batch, training);
      // √0 has the value 0 and an infinite slope, times 0.
      const corner = tf.sum(tf.sqrt(tf.mul(toy.head.bias!, 0)));
      return { loss: tf.add(loss, corner) as tf.Scalar };
    };
    const error = await train({ toy, loss }).catch((e: unknown) => e);
    expect(error).toMatchObject({ name: 'NonFiniteError', step: 0, terms: [], parameters: ['head.bias'] });
    expect((error as Error).message).toMatch(/the gradients of 1 parameters, the first of them 'head.bias'/);
  });

  test('checkNumerics names the op and its line instead', async () => {
    const toy = createToy();
    const loss: FitOptions<ToyBatch>['loss'] = (batch, { training }) => ({
      loss: tf.add(toy.loss(batch, training).loss, tf.mean(tf.log(tf.sub(toy.head.bias!, 100)))) as tf.Scalar,
    });
    const error: unknown = await train({ toy, loss, checkNumerics: true }).catch((e: unknown) => e);
    expect((error as Error).message).toMatch(/^checkNumerics: kernel 'Log' called .*fit\.test\.ts:\d+:\d+/);
    expect(error).toMatchObject({ name: 'NumericsError' });
  });

  test('an output folder that cannot be written to is an error before the first step', async () => {
    writeFileSync(join(root, 'file'), '');
    let steps = 0;
    const data = {
      async *[Symbol.asyncIterator]() {
        steps++;
        yield* new ToyLoader();
      },
    };
    await expect(train({ out: join(root, 'file'), data })).rejects.toThrow(/file: cannot be written: a (file|part)/);
    await expect(train({ out: join(root, 'file', 'x'), data })).rejects.toThrow(
      /x: cannot be written: a part of the path/,
    );
    expect(steps).toBe(0);
  });

  test('a checkpoint in between that fails is reported, training goes on, and the next one succeeds', async () => {
    const out = join(root, 'run');
    const { result, lines } = await train({
      out,
      every: { log: 10, checkpoint: 5, sample: 1 },
      onSample: ({ step }) => {
        // Something else has the checkpoint's name for a while.
        if (step === 4) writeFileSync(join(out, 'checkpoint'), 'in the way');
        if (step === 7) rmSync(join(out, 'checkpoint'));
      },
    });
    expect(lines.join('\n')).toMatch(/The checkpoint of step 5 failed: .* Training goes on\./);
    expect(result).toMatchObject({ steps: 20, stopped: 'done' });
    expect((await train({ out, resume: true, steps: 21 })).result.resumedFrom).toBe(20);
  });

  test('options that cannot be', async () => {
    const cases: [Partial<FitOptions<ToyBatch>>, RegExp][] = [
      [{ steps: 0 }, /'steps' must be a whole number of at least 1, got 0/],
      [{ clip: 0 }, /'clip' must be positive, got 0/],
      [{ accumulate: 0.5 }, /'accumulate' must be a whole number/],
      [{ seed: -1 }, /'seed' must be a whole number of at least 0/],
      [{ every: { log: -1 } }, /'every.log' must be a whole number/],
      [{ loss: () => ({ loss: tf.zeros([2]) as never }) }, /loss must be a float32 scalar/],
      [
        { loss: (batch) => ({ loss: tf.mean(batch.x) as never, terms: { a: batch.x as never } }) },
        /term 'a' must be a scalar/,
      ],
    ];
    for (const [options, message] of cases) await expect(train(options)).rejects.toThrow(message);
  });

  test('two runs may follow each other with the same model and optimizer', async () => {
    const model: Module & Toy = createToy();
    using optimizer = new AdamW({ learningRate: 0.01 });
    const options = {
      model,
      loss: (batch: { x: tf.Tensor; y: tf.Tensor }) => model.loss(batch, false),
      data: new ToyLoader(),
      optimizer,
      steps: 3,
      log: () => {},
    };
    await fit(options);
    await fit(options);
    expect(optimizer.state().step!.dataSync()[0]).toBe(6);
    model.dispose();
  });
});
