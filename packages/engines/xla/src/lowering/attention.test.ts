/** One tile of attention against the composed form on TensorFlow.js's plain CPU backend, and tiles against one tile. */
import { compile, ops, random, scope, tf, useEngine } from '@tesserae/tensor';
import { checkGradients, expectClose } from '@tesserae/tensor/testing';
import { afterEach, beforeAll, describe, expect, test, vi } from 'vitest';
import { XlaBackend } from '../backend.ts';
import type { Node } from '../graph/node.ts';
import { xla } from '../provider.ts';
import { largestTensor } from '../testing/largest-tensor.ts';
import { xlaAvailable } from '../testing/xla-available.ts';
import { flashAttention, flashAttentionGradient } from './attention.ts';
import type { Tiling } from './attention-tiles.ts';
import { KernelCall } from './kernel.ts';

interface Case {
  readonly batch?: number;
  readonly heads?: number;
  readonly groups?: number;
  readonly queries: number;
  readonly keys?: number;
  readonly dim?: number;
  readonly valueDim?: number;
  readonly causal?: boolean;
  /** Shape of a bool mask. */
  readonly mask?: readonly number[];
  /** The mask is float32 and gets a gradient. */
  readonly added?: boolean;
}

/** As one tile, against the composed form. */
const composedCases: Record<string, Case> = {
  plain: { queries: 7, keys: 9, batch: 2, heads: 3 },
  'grouped, causal': { queries: 5, keys: 8, heads: 4, groups: 2, causal: true },
  'an added mask': { queries: 6, keys: 5, heads: 2, mask: [6, 5], added: true },
  'a mask of heads, grouped': { queries: 6, batch: 2, heads: 4, groups: 2, mask: [4, 1, 6] },
  'a full mask, causal': { queries: 5, batch: 2, heads: 2, causal: true, mask: [2, 2, 5, 5] },
};

/** In tiles of one or two heads, 16 rows and 16 or 32 columns, against one tile. */
const tiledCases: Record<string, Case> = {
  'odd sizes': { queries: 35, keys: 41, valueDim: 3, batch: 2 },
  'causal, more keys than queries': { queries: 33, keys: 70, causal: true },
  'grouped, causal': { queries: 37, heads: 6, groups: 2, batch: 2, causal: true },
  'a mask of keys': { queries: 20, keys: 50, batch: 2, heads: 4, groups: 2, mask: [2, 1, 1, 50] },
  'a full mask, grouped, causal': { queries: 40, batch: 2, heads: 4, groups: 2, causal: true, mask: [2, 4, 40, 40] },
};

/** Output and gradients by query, key, value and an added mask, of a random projection. */
function evaluate(one: Case): (inputs: tf.Tensor[]) => tf.Tensor[] {
  const { causal = false, added = false } = one;
  return ([query, key, value, projection, mask]) => {
    const attend = (...args: tf.Tensor[]): tf.Tensor => {
      const [q, k, v, m = mask] = args as [tf.Tensor, tf.Tensor, tf.Tensor, tf.Tensor?];
      return ops.attention({ query: q, key: k, value: v, causal, ...(m && { mask: m }) });
    };
    const inputs = [query, key, value, ...(added ? [mask] : [])] as tf.Tensor[];
    return [attend(...inputs), ...tf.grads(attend)(inputs, projection as tf.Tensor)];
  };
}

function inputsOf(one: Case): tf.Tensor[] {
  const { batch = 1, heads = 2, queries, dim = 5, valueDim = dim, mask, added = false } = one;
  const { groups = heads, keys = queries } = one;
  const normal = (seed: number, ...shape: number[]): tf.Tensor => random.normal(random.key(seed), shape);
  const drawn = mask === undefined ? [] : [normal(5, ...mask)];
  return [
    normal(1, batch, heads, queries, dim),
    normal(2, batch, groups, keys, dim),
    normal(3, batch, groups, keys, valueDim),
    normal(4, batch, heads, queries, valueDim),
    // The first key stays visible: rows without any key have no defined gradient.
    ...drawn.map((m) => (added ? m : tf.logicalOr(tf.greater(m, 0), firstKey(m.shape)))),
  ];
}

/** Runs a lowering by itself. */
function kernel(
  lower: (call: KernelCall) => readonly Node[],
  inputs: Record<string, tf.Tensor>,
  causal: boolean,
): tf.Tensor[] {
  const backend = tf.backend() as XlaBackend;
  return lower(new KernelCall(backend, inputs, { causal, scale: 0.5 })).map((node) => {
    const { dataId, shape, dtype } = backend.output(node);
    return tf.engine().makeTensorFromDataId(dataId, shape, dtype, backend);
  });
}

const firstKey = (shape: readonly number[]): tf.Tensor =>
  tf.equal(tf.range(0, shape[shape.length - 1] as number, 1, 'int32'), 0);

describe.skipIf(!(await xlaAvailable()))('FlashAttention', () => {
  beforeAll(async () => {
    await useEngine('xla:cpu', [xla]);
  });
  afterEach(() => {
    vi.restoreAllMocks();
  });

  test.each(Object.entries(composedCases))('one tile: %s', async (_, one) => {
    const values = async (engine: string): Promise<Float32Array[]> => {
      await useEngine(engine, [xla]);
      const backend = tf.backend();
      // These sizes would not use the kernel.
      if (backend instanceof XlaBackend) vi.spyOn(backend, 'prefersComposed').mockReturnValue(false);
      using _scope = scope();
      const inputs = inputsOf(one);
      using program = compile(evaluate(one));
      return program(inputs).map((x) => x.dataSync<'float32'>().slice());
    };
    const expected = await values('cpu');
    const actual = await values('xla:cpu');
    expect(actual.length).toBe(expected.length);
    actual.forEach((x, i) => expectClose(x, expected[i] as Float32Array, { rtol: 1e-4, atol: 2e-5 }));
  });

  test.each(Object.entries(tiledCases))('tiles: %s', (_, one) => {
    using _scope = scope();
    const { heads = 2, groups = heads, batch = 1, queries, keys = queries, causal = false } = one;
    const [query, key, value, dOut, allowed] = inputsOf(one) as [
      tf.Tensor,
      tf.Tensor,
      tf.Tensor,
      tf.Tensor,
      tf.Tensor?,
    ];
    const mask = allowed && tf.mul(tf.sub(1, tf.cast(allowed, 'float32')), -1e30);
    const given = { query, key, value, ...(mask && { mask }) };
    const run = (tiling: Tiling): tf.Tensor[] => {
      const [out, logSumExp] = kernel((call) => flashAttention(call, tiling), given, causal) as [tf.Tensor, tf.Tensor];
      const saved = { ...given, out, logSumExp, dOut };
      return [out, logSumExp, ...kernel((call) => flashAttentionGradient(call, tiling), saved, causal)];
    };
    const expected = run({ heads: batch * groups, queries, keys });
    for (const [headsOfTile, columns] of [
      [1, 32],
      [groups, 16],
    ] as const) {
      const actual = run({ heads: headsOfTile, queries: 16, keys: columns });
      actual.forEach((x, i) => expectClose(x, expected[i] as tf.Tensor, { rtol: 1e-4, atol: 2e-5 }));
    }
  });

  test('leaves short sequences to the composed form', () => {
    const backend = tf.backend() as XlaBackend;
    const used = (batch: number, time: number): boolean => {
      const shape = [batch, 8, time, 64];
      return !backend.prefersComposed('FlashAttention', [shape, shape, shape]);
    };
    expect([used(8, 128), used(1, 512), used(2, 512), used(1, 1024)]).toEqual([false, false, true, true]);
  });

  test('has the gradient of finite differences, and second derivatives', () => {
    vi.spyOn(tf.backend() as XlaBackend, 'prefersComposed').mockReturnValue(false);
    using _ = scope();
    const one: Case = { queries: 7, heads: 2, groups: 1, dim: 3, causal: true };
    const inputs = inputsOf(one).slice(0, 3);
    const attend = (...args: tf.Tensor[]): tf.Tensor => {
      const [query, key, value] = args as [tf.Tensor, tf.Tensor, tf.Tensor];
      return ops.attention({ query, key, value, causal: true });
    };
    checkGradients(attend, inputs, { elements: 6 });
    const [query, key, value] = inputsOf({ queries: 3, heads: 1, dim: 2 }) as [tf.Tensor, tf.Tensor, tf.Tensor];
    const slope = (q: tf.Tensor): tf.Tensor => tf.grad((x: tf.Tensor) => tf.sum(tf.square(attend(x, key, value))))(q);
    checkGradients(slope, [query]);
  });

  test('lets a query without any key see the mean of the values', () => {
    using _ = scope();
    const [query, key, value] = inputsOf({ queries: 40, heads: 1 }) as [tf.Tensor, tf.Tensor, tf.Tensor];
    const mask = tf.fill([40], -1e30);
    const tiling = { heads: 1, queries: 16, keys: 16 };
    const [out] = kernel((call) => flashAttention(call, tiling), { query, key, value, mask }, false) as [tf.Tensor];
    expectClose(out, tf.broadcastTo(tf.mean(value, 2, true), out.shape), { rtol: 1e-4, atol: 1e-5 });
  });

  test.each([
    ['forward', 1],
    ['backward', 4],
  ] as const)('the %s pass at 4096 keeps no matrix of scores', (_, outputs) => {
    using _scope = scope();
    const shape = [1, 8, 4096, 64];
    const one: Case = { queries: 4096, heads: 8, dim: 64, causal: true };
    const largest = largestTensor(() => {
      using program = compile((x: tf.Tensor) => evaluate(one)([x, x, x, x]).slice(0, outputs));
      program(tf.zeros(shape));
    });
    expect(largest).toBe(tf.util.sizeFromShape(shape));
  });
});
