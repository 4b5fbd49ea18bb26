/** Every op on the engines that are always present: values and gradients (opCases), memory, errors. */
import { beforeAll, describe, expect, test } from 'vitest';
import { ops, random, tf, useEngine } from '../index.ts';
import { expectNoLeak, opCases } from '../testing/index.ts';

const normal = (seed: number, ...shape: number[]): tf.Tensor => random.normal(random.key(seed), shape);

describe.each(['cpu', 'wasm'])('%s', (engine) => {
  beforeAll(() => useEngine(engine));

  test.each(opCases.map(({ name, run }) => [name, run] as const))('%s', (_, run) => {
    expectNoLeak(run);
  });

  const run = (name: string, fn: () => void): void =>
    test(name, () => {
      tf.tidy(() => void fn());
    });

  run('each op leaves its result and nothing else', () => {
    const image = normal(1, 1, 4, 4, 4);
    const volume = normal(2, 1, 2, 2, 2, 3);
    const sequence = normal(3, 1, 2, 3, 4);
    const vectors = normal(4, 5, 3);
    const filter = normal(5, 3, 3, 2, 4);
    const filter3d = normal(6, 1, 1, 1, 3, 3);
    const indices = tf.tensor1d([0, 1, 1, 2, 0], 'int32');
    const add = (a: tf.Tensor, b: tf.Tensor): tf.Tensor => tf.add(a, b);
    expectNoLeak(() => ops.gelu(image), 1);
    expectNoLeak(() => ops.silu(image), 1);
    expectNoLeak(() => ops.groupNorm(image, { groups: 2, scale: tf.ones([4]), offset: tf.ones([4]) }), 3);
    expectNoLeak(() => ops.layerNorm(image), 1);
    expectNoLeak(() => ops.rmsNorm(image), 1);
    expectNoLeak(() => ops.softmaxCrossEntropy(vectors, indices), 1);
    expectNoLeak(() => ops.attention({ query: sequence, key: sequence, value: sequence, causal: true }), 1);
    expectNoLeak(() => ops.nearestCode(vectors, vectors), 1);
    expectNoLeak(() => ops.scatterAdd(indices, vectors, 3), 1);
    expectNoLeak(() => ops.associativeScan(add, vectors), 1);
    expectNoLeak(
      () =>
        ops.scan((c: tf.Tensor, x: tf.Tensor) => ({ carry: tf.add(c, x), output: x }), indices, tf.stack([indices])),
      3,
    );
    expectNoLeak(() => ops.conv2dTranspose(image, filter, { strides: 2 }), 1);
    expectNoLeak(() => ops.conv3d(volume, filter3d, { padding: 1 }), 1);
    expectNoLeak(() => ops.conv3dTranspose(volume, filter3d, { strides: 2 }), 1);
    expectNoLeak(() => ops.straightThrough(image, image), 1);
    expectNoLeak(() => ops.stopGradient(image), 1);
  });

  run('nearestCode in chunks', () => {
    // 4096 codes leave 1024 rows in each.
    const x = normal(14, 2051, 2);
    const codes = normal(15, 4096, 2);
    const tail = ops.nearestCode(tf.slice(x, [2040, 0], [11, 2]), codes);
    expect([...tf.slice(ops.nearestCode(x, codes), [2040], [11]).dataSync()]).toEqual([...tail.dataSync()]);
  });
});

describe('shapes and errors', () => {
  beforeAll(() => useEngine('cpu'));
  const run = (name: string, fn: () => void): void =>
    test(name, () => {
      tf.tidy(() => void fn());
    });

  run('activations', () => {
    expect(() => ops.gelu(tf.scalar(1, 'int32'))).toThrow("gelu: 'x' must be float32, but got int32 []");
    expect(() => ops.gelu(tf.scalar(1), 'erf' as 'none')).toThrow("'approximate'");
  });

  run('norms', () => {
    const x = tf.zeros([2, 3, 2, 4]);
    expect(() => ops.groupNorm(x, { groups: 3 })).toThrow(
      "groupNorm: 'groups' must divide the 4 channels of 'x' [2, 3, 2, 4]",
    );
    expect(() => ops.groupNorm(x, { groups: 2, scale: tf.ones([3]) })).toThrow('float32 [4]');
    expect(() => ops.layerNorm(tf.scalar(1))).toThrow('scalar');
  });

  run('updateSlice: shapes, dtypes and positions', () => {
    const x = tf.zeros([4, 2]);
    expect(() => ops.updateSlice(x, tf.zeros([5, 2]), 0)).toThrow(
      "updateSlice: 'update' must be shaped like 'x' but for at least 1 and at most 4 along axis 0, but got x float32 [4, 2], update float32 [5, 2].",
    );
    expect(() => ops.updateSlice(x, tf.zeros([1, 1]), 0)).toThrow('update float32 [1, 1]');
    expect(() => ops.updateSlice(x, tf.zeros([2, 2], 'int32'), 0)).toThrow(
      "'update' must be float32, but got int32 [2, 2]",
    );
    expect(() => ops.updateSlice(x, tf.zeros([2, 2]), 3)).toThrow("'start' must be an integer in [0, 2]");
    expect(() => ops.updateSlice(x, tf.zeros([2, 2]), tf.scalar(1))).toThrow(
      "'start' must be int32 scalar, but got float32 []",
    );
    expect(() => ops.updateSlice(x, tf.zeros([2, 2]), 0, { axis: 2 })).toThrow("'axis' must be an integer in [-2, 1]");
  });

  run('softmaxCrossEntropy', () => {
    const logits = tf.zeros([2, 3, 5]);
    expect(() => ops.softmaxCrossEntropy(logits, tf.zeros([2, 4], 'int32'))).toThrow(
      'logits float32 [2, 3, 5], labels int32 [2, 4]',
    );
    expect(() => ops.softmaxCrossEntropy(logits, tf.zeros([2, 3]))).toThrow("'labels' must be int32");
  });

  run('attention', () => {
    const query = tf.zeros([2, 4, 3, 5]);
    const key = tf.zeros([2, 2, 6, 5]);
    const value = tf.zeros([2, 2, 6, 2]);
    expect(() => ops.attention({ query, key: tf.zeros([2, 3, 6, 5]), value })).toThrow('Hkv dividing H');
    expect(() => ops.attention({ query, key, value, mask: tf.zeros([5]) })).toThrow('[2, 4, 3, 6]');
    expect(() => ops.attention({ query: key, key: query, value: tf.zeros([2, 4, 3, 2]), causal: true })).toThrow(
      'Tk at least Tq',
    );
    expect(() => ops.attention({ query: tf.zeros([3, 5]), key, value })).toThrow(
      "'query' must be float32 [B, H, T, D], but got float32 [3, 5]",
    );
  });

  run('quantization', () => {
    expect(() => ops.nearestCode(tf.zeros([4, 2]), tf.zeros([4, 3]))).toThrow(
      'x float32 [4, 2], codebook float32 [4, 3]',
    );
    expect(() => ops.scatterAdd(tf.zeros([3], 'int32'), tf.zeros([2, 2]), 4)).toThrow(
      'indices int32 [3], updates float32 [2, 2]',
    );
    expect(() => ops.scatterAdd(tf.zeros([3], 'int32'), tf.zeros([3]), 0)).toThrow("'size'");
    expect(() => ops.straightThrough(tf.zeros([2]), tf.zeros([3]))).toThrow('x [2], q [3]');
    expect(ops.stopGradient(tf.tensor1d([1], 'int32')).dtype).toBe('int32');
  });

  run('scans', () => {
    const add = (x: tf.Tensor[], y: tf.Tensor[]): tf.Tensor[] => x.map((v, i) => tf.add(v, y[i] as tf.Tensor));
    expect(() => ops.associativeScan(add, [tf.zeros([3]), tf.zeros([4])])).toThrow('got [3] and [4]');
    expect(() => ops.associativeScan(add, [tf.zeros([3])], 1)).toThrow("'axis' must be an integer in [-1, 0]");
    expect(() => ops.associativeScan(() => [], [tf.zeros([3])])).toThrow('tree like');
    const step = (carry: tf.Tensor, x: tf.Tensor): { carry: tf.Tensor; output: tf.Tensor } => ({ carry, output: x });
    expect(() => ops.scan(step, tf.scalar(0) as tf.Tensor, tf.zeros([0]) as tf.Tensor)).toThrow('at least 1');
  });

  run('careless arguments', () => {
    const [query, key, value] = [tf.zeros([1, 1, 2, 3]), tf.zeros([1, 1, 2, 3]), tf.zeros([1, 1, 2, 3])];
    expect(() => ops.attention({ query, key, value, scale: NaN })).toThrow(
      "'scale' must be a finite number, but got NaN",
    );
    expect(() => ops.attention({ query, key, value, mask: null as never })).toThrow(/'mask' must be .* but got null/);
    expect(() => ops.attention({ query, key, value, mask: 'x' as never })).toThrow(/'mask' must be .* but got string/);
    key.dispose();
    expect(() => ops.attention({ query, key, value })).toThrow(/'key' float32 \[1, 1, 2, 3\] is disposed already/);
    expect(() => ops.linearRecurrence(tf.scalar(1), tf.scalar(1))).toThrow('at least one axis');
    const none = tf.zeros([2], 'int32');
    expect(() => ops.softmaxCrossEntropy(tf.zeros([2, 0]), none)).toThrow('at least one class');
    expect(() =>
      ops.linearCrossEntropy({ features: tf.zeros([2, 3]), weight: tf.zeros([3, 0]), labels: none }),
    ).toThrow('at least one class');
  });

  run('a step of a scan that does not return what it should', () => {
    const [init, xs] = [tf.zeros([2]) as tf.Tensor, tf.zeros([3, 2]) as tf.Tensor];
    const scanOf = (step: unknown, first: unknown = init) => ops.scan(step as never, first, xs);
    expect(() => scanOf(undefined)).toThrow("scan: 'step' must be a function, but got undefined");
    expect(() => scanOf(() => undefined)).toThrow("'step' must return { carry, output }, but got undefined");
    expect(() => scanOf(() => ({ carry: init }))).toThrow("'step' must return { carry, output }");
    expect(() => scanOf(() => Promise.resolve(0))).toThrow('but got a promise');
    const other = (carry: unknown, first?: unknown) => () => scanOf(() => ({ carry, output: xs }), first);
    expect(other(tf.zeros([4]))).toThrow("carry like 'init': at the top float32 [2], but got float32 [4]");
    expect(other(tf.cast(init, 'int32'))).toThrow('float32 [2], but got int32 [2]');
    expect(other({ b: init }, { a: init })).toThrow("at 'a' float32 [2], but got undefined");
    expect(other({ n: 1 }, { n: 0 })).toThrow(
      "at 'n' the number 0, but got the number 1. Carry what changes as tensors.",
    );
    expect(() =>
      scanOf((carry: tf.Tensor) => {
        const next = tf.add(carry, 1);
        next.dispose();
        return { carry: next, output: carry };
      }),
    ).toThrow("'step' returned a tensor that is disposed already");
  });

  run('convolutions', () => {
    const x = tf.zeros([2, 3, 4, 3]);
    const filter = tf.zeros([4, 3, 2, 3]);
    expect(ops.conv2dTranspose(x, filter, { strides: 2 }).shape).toEqual([2, 6, 8, 2]);
    expect(ops.conv2dTranspose(x, filter, { strides: 2, padding: 'valid' }).shape).toEqual([2, 8, 9, 2]);
    expect(ops.conv2dTranspose(x, filter, { strides: 2, padding: 1, outputPadding: 1 }).shape).toEqual([2, 7, 8, 2]);
    expect(() => ops.conv2dTranspose(x, tf.zeros([3, 3, 3, 2]))).toThrow('the channels of');
    expect(() => ops.conv2dTranspose(x, filter, { outputPadding: 1 })).toThrow('outputPadding');
    expect(() => ops.conv2dTranspose(x, filter, { strides: 0 })).toThrow("'strides'");
    const volume = tf.zeros([1, 3, 4, 4, 2]);
    const kernel = tf.zeros([3, 3, 3, 2, 3]);
    expect(ops.conv3d(volume, kernel, { strides: [1, 2, 2], padding: [1, 0, 0] }).shape).toEqual([1, 3, 1, 1, 3]);
    expect(() => ops.conv3d(volume, tf.zeros([3, 3, 3, 3, 2]))).toThrow('channels');
    expect(() => ops.conv3d(volume, kernel, { padding: -1 })).toThrow("'padding'");
    expect(
      ops.conv3dTranspose(tf.zeros([1, 2, 3, 2, 3]), kernel, { strides: [1, 2, 2], padding: 'valid' }).shape,
    ).toEqual([1, 4, 7, 5, 2]);
  });
});
