/**
 * `fit` on the four devices of the CPU plugin against one device: a small GPT with dropout and AdamW, 20 steps, whose
 * losses and parameters must agree to 1e-5.
 */
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { AdamW, Ema, Embedding, Linear, Module, TransformerBlock } from '@tesserae/nn';
import { mesh, ops, random, tf, useEngine } from '@tesserae/tensor';
import type { Mesh } from '@tesserae/tensor';
import { fit } from '@tesserae/train';
import type { FitOptions, HostArray, Sharding } from '@tesserae/train';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import type { XlaBackend } from '../backend.ts';
import { xla } from '../provider.ts';
import { xlaAvailable } from '../testing/xla-available.ts';

const [vocabulary, length, dim] = [32, 8, 16];
const backend = (): XlaBackend => tf.backend() as XlaBackend;

class Gpt extends Module {
  readonly tokens: Embedding = new Embedding({ size: vocabulary, dim });
  readonly positions: Embedding = new Embedding({ size: length, dim });
  // Without biases: a key's bias has a gradient of zero, and Adam divides its rounding by itself.
  readonly block: TransformerBlock = new TransformerBlock({ dim, heads: 4, bias: false, dropout: 0.1 });
  readonly head: Linear = new Linear({ in: dim, out: vocabulary });

  /** int32 `[B, T]` -> `[B, T, vocabulary]`. */
  call(tokens: tf.Tensor, training: boolean): tf.Tensor {
    const places = tf.range(0, tokens.shape[1] as number, 1, 'int32');
    let x = tf.add(this.tokens.call(tokens), this.positions.call(places));
    x = this.block.call(x, { causal: true, training });
    return this.head.call(x);
  }
}

type Batch = { readonly tokens: HostArray; readonly targets: HostArray };
const batches: Batch[] = Array.from({ length: 8 }, (_, i) => {
  const values = Int32Array.from({ length: 8 * (length + 1) }, (_v, j) => (i * 7 + j * j * 3 + (j >> 2)) % vocabulary);
  const cut = (from: number): HostArray => ({
    data: Int32Array.from({ length: 8 * length }, (_v, j) => {
      const [row, column] = [Math.floor(j / length), j % length];
      return values[row * (length + 1) + column + from] as number;
    }),
    shape: [8, length],
  });
  return { tokens: cut(0), targets: cut(1) };
});

/** The same batches, from a position that a checkpoint keeps. */
class Positions implements Iterable<Batch> {
  #position = 0;

  *[Symbol.iterator](): Generator<Batch> {
    for (;;) yield batches[this.#position++ % batches.length] as Batch;
  }

  state(): number {
    return this.#position;
  }

  restore(position: unknown): void {
    this.#position = position as number;
  }
}

interface Outcome {
  readonly losses: number[];
  readonly parameters: Record<string, Float32Array>;
  /** Bytes of parameters, optimizer state and averages on all devices together. */
  readonly stateBytes: number;
}

async function train(options: Partial<FitOptions<Batch>> = {}): Promise<Outcome> {
  const model = tf.tidy(() => ({ made: random.withKey(random.key(0), () => new Gpt()) as never })).made as Gpt;
  const optimizer = new AdamW({ learningRate: 3e-3, weightDecay: 0.1 });
  const ema = new Ema({ decay: 0.9 });
  try {
    const { history } = await fit<Batch>({
      model,
      optimizer,
      ema,
      loss: ({ tokens, targets }, { training }) => ({
        loss: tf.mean(ops.softmaxCrossEntropy(model.call(tokens, training), targets)) as tf.Scalar,
      }),
      data: batches,
      steps: 20,
      clip: 1,
      every: { log: 1 },
      log: () => {},
      ...options,
    });
    const state = [model.parameters(), optimizer.state(), ema.state()].flatMap((named) => Object.values(named));
    return {
      losses: history.map(({ loss }) => loss),
      parameters: Object.fromEntries(
        Object.entries(model.parameters()).map(([name, parameter]) => [name, parameter.dataSync<'float32'>()]),
      ),
      stateBytes: state.reduce((sum, { dataId }) => sum + (backend().dataOf(dataId).node?.buffer?.bytes ?? 0), 0),
    };
  } finally {
    model.dispose();
    optimizer.dispose();
    ema.dispose();
  }
}

function expectSame(actual: Outcome, expected: Outcome): void {
  expect(actual.losses).toHaveLength(expected.losses.length);
  actual.losses.forEach((loss, i) => expect(Math.abs(loss - (expected.losses[i] as number))).toBeLessThan(1e-5));
  for (const [name, values] of Object.entries(expected.parameters)) {
    const other = actual.parameters[name] as Float32Array;
    const worst = values.reduce((most, value, i) => Math.max(most, Math.abs(value - (other[i] as number))), 0);
    expect(worst, name).toBeLessThan(1e-5);
  }
}

const tensorParallel: Sharding = [
  ['*.attention.*.weight', [null, 'model']],
  ['*.feedForward.*.weight', [null, 'model']],
  ['tokens.*', ['model']],
];

describe.skipIf(!(await xlaAvailable()))('fit on a mesh', { tags: ['slow'] }, () => {
  let one: Outcome;
  let tensors = 0;
  beforeAll(async () => {
    await useEngine('xla:cpu', [xla]);
    tensors = tf.memory().numTensors;
    one = await train();
  }, 300_000);
  afterAll(() => {
    expect(tf.memory().numTensors).toBe(tensors);
  });

  const check = async (grid: Mesh, sharding: Sharding): Promise<Outcome> => {
    const outcome = await train({ mesh: grid, sharding });
    expectSame(outcome, one);
    return outcome;
  };

  test('fully sharded: the numbers of one device, and one copy of the state among them all', async () => {
    const { stateBytes } = await check(mesh({ data: 4 }), 'sharded');
    // Step counts are on each.
    expect(stateBytes - one.stateBytes).toBe(3 * 8);
  });

  test('replicated: the numbers of one device', async () => {
    const { stateBytes } = await check(mesh({ data: 4 }), 'replicated');
    expect(stateBytes).toBe(4 * one.stateBytes);
  });

  test('tensor-parallel: the numbers of one device', async () => {
    const { stateBytes } = await check(mesh({ data: 1, model: 4 }), tensorParallel);
    expect(stateBytes / one.stateBytes).toBeLessThan(1.6);
  });

  test('tensor-parallel and fully sharded on 2 × 2: the numbers of one device', async () => {
    const { stateBytes } = await check(mesh({ data: 2, model: 2 }), [
      ['*.attention.*.weight', ['data', 'model']],
      ...tensorParallel,
      ['*.weight', ['data']],
    ]);
    expect(stateBytes / one.stateBytes).toBeLessThan(2);
  });

  test('a checkpoint of four devices is continued on two, and theirs on one', async () => {
    const out = mkdtempSync(join(tmpdir(), 'mesh-'));
    try {
      const run = (steps: number, options: Partial<FitOptions<Batch>>): Promise<Outcome> =>
        train({ out, steps, data: new Positions(), resume: true, ...options });
      await run(6, { mesh: mesh({ data: 4 }), sharding: 'sharded' });
      await run(12, { mesh: mesh({ data: 2 }), sharding: 'sharded' });
      const { losses, parameters } = await run(20, {});
      expectSame({ losses, parameters, stateBytes: 0 }, { ...one, losses: one.losses.slice(12) });
    } finally {
      rmSync(out, { recursive: true });
    }
  });

  test('what cannot be is said before the first step, by name', async () => {
    const grid = mesh({ data: 4 });
    await expect(train({ mesh: grid, sharding: [['encoder.*', ['data']]] })).rejects.toThrow(
      /sharding rule 'encoder\.\*' matches no parameter. The parameters are tokens\.weight, /,
    );
    await expect(train({ mesh: mesh({ data: 3 }), sharding: [['head.bias', ['data']]] })).rejects.toThrow(
      /rule 'head\.bias' for parameter 'head\.bias': shape \[32\] .* size 32 over 3 devices/,
    );
    await expect(train({ mesh: mesh({ data: 3 }) })).rejects.toThrow(/shape \[8, 8\] cannot be shared by .* 3 devices/);
    await expect(train({ sharding: 'sharded' })).rejects.toThrow(/Pass 'mesh' too/);
    expect(backend().mesh).toBeUndefined();
  });
});
