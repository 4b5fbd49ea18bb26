/** Values, gradients, memory and errors of every op, on every engine that is always present. */
import { beforeAll, describe, expect, test } from 'vitest';
import { ops, random, tf, useEngine } from '../index.ts';
import { checkGradients, expectClose, expectNoLeak } from '../testing/index.ts';

const normal = (seed: number, ...shape: number[]): tf.Tensor => {
  const key = random.key(seed);
  const x = random.normal(key, shape);
  key.dispose();
  return x;
};

describe.each(['cpu', 'wasm'])('%s', (engine) => {
  beforeAll(() => useEngine(engine));

  /** Runs in a tidy, so that tests need not count what they make themselves. */
  const run = (name: string, fn: () => void): void =>
    test(name, () => {
      tf.tidy(() => void fn());
    });

  /** Gradients, and no tensor left but the result. */
  const check = (fn: (...inputs: tf.Tensor[]) => tf.Tensor | tf.Tensor[], inputs: tf.Tensor[]): void => {
    checkGradients(fn, inputs);
    const before = tf.memory().numTensors;
    const results = [fn(...inputs)].flat();
    expect(tf.memory().numTensors - before).toBe(results.length);
  };

  run('gelu: values of PyTorch 2', () => {
    const x = tf.tensor1d([-3, -1, 0, 0.5, 2]);
    expectClose(ops.gelu(x), [-0.00404951, -0.15865526, 0, 0.34573123, 1.95449972], { atol: 1e-6 });
    expectClose(ops.gelu(x, 'tanh'), [-0.00363752, -0.15880796, 0, 0.34571403, 1.95459759], { atol: 1e-6 });
    check((v) => ops.gelu(v), [normal(1, 3, 5)]);
    check((v) => ops.gelu(v, 'tanh'), [normal(1, 3, 5)]);
    expect(() => ops.gelu(tf.scalar(1, 'int32'))).toThrow("gelu: 'x' must be float32, but got int32 []");
    expect(() => ops.gelu(x, 'erf' as 'none')).toThrow("'approximate'");
  });

  run('silu', () => {
    expectClose(ops.silu(tf.tensor1d([-1, 0, 2])), [-0.26894142, 0, 1.76159416]);
    check((v) => ops.silu(v), [normal(2, 3, 5)]);
  });

  run('second derivatives go through custom gradients', () => {
    const x = tf.tensor1d([0.3, -1.2]);
    const slope = tf.grad((v) => tf.sum(tf.grad((w) => tf.sum(ops.silu(w)))(v)));
    const numeric = tf.tidy(() => {
      const g = tf.grad((w: tf.Tensor) => tf.sum(ops.silu(w)));
      return tf.div(tf.sub(g(tf.add(x, 1e-2)), g(tf.sub(x, 1e-2))), 2e-2);
    });
    expectClose(slope(x), numeric, { rtol: 1e-3, atol: 1e-3 });
  });

  run('groupNorm', () => {
    const x = normal(3, 2, 3, 2, 4);
    const y = ops.groupNorm(x, { groups: 2, epsilon: 0 });
    const { mean, variance } = tf.moments(tf.reshape(y, [2, 6, 2, 2]), [1, 3]);
    expectClose(mean, tf.zeros([2, 2]), { atol: 1e-5 });
    expectClose(variance, tf.ones([2, 2]), { rtol: 1e-4 });
    check(
      (v, scale, offset) => ops.groupNorm(v, { groups: 2, scale: scale as tf.Tensor, offset: offset as tf.Tensor }),
      [x, normal(4, 4), normal(5, 4)],
    );
    expect(() => ops.groupNorm(x, { groups: 3 })).toThrow(
      "groupNorm: 'groups' must divide the 4 channels of 'x' [2, 3, 2, 4]",
    );
    expect(() => ops.groupNorm(x, { groups: 2, scale: tf.ones([3]) })).toThrow('float32 [4]');
  });

  run('layerNorm and rmsNorm', () => {
    const x = tf.tensor2d([[1, 2, 3, 6]]);
    expectClose(ops.layerNorm(x, { epsilon: 0 }), [[-1.0690449, -0.5345225, 0, 1.6035674]]);
    expectClose(ops.rmsNorm(x, { epsilon: 0 }), [[0.2828427, 0.5656854, 0.8485281, 1.6970563]]);
    check(
      (v, s, o) => ops.layerNorm(v, { scale: s as tf.Tensor, offset: o as tf.Tensor }),
      [normal(6, 3, 5), normal(7, 5), normal(8, 5)],
    );
    check((v, s) => ops.rmsNorm(v, { scale: s as tf.Tensor }), [normal(6, 3, 5), normal(7, 5)]);
  });

  run('softmaxCrossEntropy', () => {
    const logits = normal(9, 2, 3, 5);
    const labels = tf.tensor2d(
      [
        [0, 4, 2],
        [1, 1, 3],
      ],
      [2, 3],
      'int32',
    );
    const expected = tf.neg(tf.sum(tf.mul(tf.logSoftmax(logits), tf.oneHot(labels, 5)), -1));
    expectClose(ops.softmaxCrossEntropy(logits, labels), expected);
    // Logits of 1000 must not overflow.
    expectClose(ops.softmaxCrossEntropy(tf.tensor2d([[1000, 0]]), tf.tensor1d([1], 'int32')), [1000]);
    check((v) => ops.softmaxCrossEntropy(v, labels), [logits]);
    expect(() => ops.softmaxCrossEntropy(logits, tf.zeros([2, 4], 'int32'))).toThrow(
      'logits float32 [2, 3, 5], labels int32 [2, 4]',
    );
    expect(() => ops.softmaxCrossEntropy(logits, tf.zeros([2, 3]))).toThrow("'labels' must be int32");
  });

  run('attention: heads, groups, masks', () => {
    const q = normal(10, 2, 4, 3, 5);
    const k = normal(11, 2, 2, 6, 5);
    const v = normal(12, 2, 2, 6, 2);
    const repeat = (x: tf.Tensor): tf.Tensor => tf.reshape(tf.stack([x, x], 2), [2, 4, 6, x.shape[3] as number]);
    const plain = (allowed?: tf.Tensor): tf.Tensor => {
      const scores = tf.div(tf.matMul(q, repeat(k), false, true), Math.sqrt(5));
      const masked =
        allowed === undefined
          ? scores
          : tf.where(tf.broadcastTo(allowed, scores.shape), scores, tf.fill(scores.shape, -Infinity));
      return tf.matMul(tf.softmax(masked), repeat(v));
    };
    expectClose(ops.attention({ query: q, key: k, value: v }), plain());
    const causal = tf.tensor2d(
      [
        [1, 1, 1, 1, 0, 0],
        [1, 1, 1, 1, 1, 0],
        [1, 1, 1, 1, 1, 1],
      ],
      [3, 6],
      'bool',
    );
    expectClose(ops.attention({ query: q, key: k, value: v, causal: true }), plain(causal));
    expectClose(ops.attention({ query: q, key: k, value: v, mask: causal }), plain(causal));
    const additive = normal(13, 1, 4, 3, 6);
    check(
      (a, b, c, m) =>
        ops.attention({
          query: a as tf.Tensor,
          key: b as tf.Tensor,
          value: c as tf.Tensor,
          mask: m as tf.Tensor,
          causal: true,
        }),
      [q, k, v, additive],
    );
    const none = ops.attention({ query: q, key: k, value: v, mask: tf.zeros([6], 'bool') });
    expect(none.dataSync().every(Number.isFinite)).toBe(true);
    expect(() => ops.attention({ query: q, key: normal(1, 2, 3, 6, 5), value: v })).toThrow('Hkv dividing H');
    expect(() => ops.attention({ query: q, key: k, value: v, mask: tf.zeros([5]) })).toThrow('[2, 4, 3, 6]');
    expect(() =>
      ops.attention({
        query: k,
        key: tf.slice(k, [0, 0, 0, 0], [2, 2, 3, 5]),
        value: tf.slice(v, [0, 0, 0, 0], [2, 2, 3, 2]),
        causal: true,
      }),
    ).toThrow('Tk at least Tq');
  });

  run('nearestCode: lowest index on ties, chunks, no gradient in the way', () => {
    const codebook = tf.tensor2d([
      [0, 0],
      [1, 0],
      [1, 0],
      [5, 5],
    ]);
    const x = tf.tensor2d([
      [0.9, 0.1],
      [0.1, 0],
      [9, 9],
      [0.5, 0],
    ]);
    expect([...ops.nearestCode(x, codebook).dataSync()]).toEqual([1, 0, 3, 0]);
    // More than one chunk: 4096 codes leave 1024 rows in each.
    const large = normal(14, 4099, 2);
    const codes = normal(15, 4096, 2);
    const tail = ops.nearestCode(tf.slice(large, [4090, 0], [9, 2]), codes);
    expect([...tf.slice(ops.nearestCode(large, codes), [4090], [9]).dataSync()]).toEqual([...tail.dataSync()]);
    // Straight through the lookup: the index is on the way from x to the loss.
    const gradient = tf.grad((v) =>
      tf.sum(tf.square(ops.straightThrough(v, tf.gather(codebook, ops.nearestCode(v, codebook))))),
    )(x);
    expectClose(gradient, [
      [2, 0],
      [0, 0],
      [10, 10],
      [0, 0],
    ]);
    expectNoLeak(() => ops.nearestCode(x, codebook), 1);
    expect(() => ops.nearestCode(x, tf.zeros([4, 3]))).toThrow('x float32 [4, 2], codebook float32 [4, 3]');
  });

  run('scatterAdd', () => {
    const indices = tf.tensor1d([2, 0, 2], 'int32');
    expectClose(
      ops.scatterAdd(
        indices,
        tf.tensor2d([
          [1, 2],
          [3, 4],
          [5, 6],
        ]),
        4,
      ),
      [
        [3, 4],
        [0, 0],
        [6, 8],
        [0, 0],
      ],
    );
    check((u) => ops.scatterAdd(indices, u, 4), [normal(16, 3, 2)]);
    expect(() => ops.scatterAdd(indices, tf.zeros([2, 2]), 4)).toThrow('indices int32 [3], updates float32 [2, 2]');
  });

  test.each([1, 2, 3, 4, 5, 7, 8, 13])('associativeScan of %i elements equals the loop', (n) => {
    tf.tidy(() => {
      // h_t = a_t h_{t-1} + b_t: composition of affine maps, associative and not commutative.
      type Affine = { a: tf.Tensor; b: tf.Tensor };
      const combine = (f: Affine, g: Affine): Affine => ({ a: tf.mul(f.a, g.a), b: tf.add(tf.mul(g.a, f.b), g.b) });
      const a = normal(17, 2, n, 3);
      const b = normal(18, 2, n, 3);
      const { b: h } = ops.associativeScan(combine, { a, b }, 1);
      const states: tf.Tensor[] = [];
      tf.unstack(a, 1).forEach((at, t) => {
        const bt = tf.unstack(b, 1)[t] as tf.Tensor;
        states.push(t === 0 ? bt : tf.add(tf.mul(at, states[t - 1] as tf.Tensor), bt));
      });
      expectClose(h, tf.stack(states, 1), { rtol: 1e-4, atol: 1e-5 });
      if (n === 5)
        check(
          (x, y) => Object.values(ops.associativeScan(combine, { a: x as tf.Tensor, b: y as tf.Tensor }, 1)),
          [a, b],
        );
      expectNoLeak(() => ops.associativeScan(combine, { a, b }, 1), 2);
    });
  });

  run('associativeScan: errors', () => {
    const add = (x: tf.Tensor[], y: tf.Tensor[]): tf.Tensor[] => x.map((v, i) => tf.add(v, y[i] as tf.Tensor));
    expect(() => ops.associativeScan(add, [tf.zeros([3]), tf.zeros([4])])).toThrow('got [3] and [4]');
    expect(() => ops.associativeScan(add, [tf.zeros([3])], 1)).toThrow("'axis' must be an integer in [-1, 0]");
    expect(() => ops.associativeScan(() => [], [tf.zeros([3])])).toThrow('tree like');
  });

  run('scan', () => {
    const step = (carry: tf.Tensor, x: tf.Tensor): { carry: tf.Tensor; output: { sum: tf.Tensor } } => {
      const next = tf.add(tf.mul(carry, 0.5), x);
      return { carry: next, output: { sum: next } };
    };
    const { carry, outputs } = ops.scan(step, tf.scalar(0) as tf.Tensor, tf.tensor1d([1, 2, 3]) as tf.Tensor);
    expectClose(carry, 4.25);
    expectClose(outputs.sum, [1, 2.5, 4.25]);
    const both = (init: tf.Tensor, xs: tf.Tensor): tf.Tensor[] => {
      const result = ops.scan(step, init, xs);
      return [result.carry, result.outputs.sum];
    };
    check((init, xs) => both(init as tf.Tensor, xs as tf.Tensor), [normal(19, 2), normal(20, 4, 2)]);
    expect(() => ops.scan(step, tf.scalar(0) as tf.Tensor, tf.zeros([0]))).toThrow('at least 1');
  });

  run('conv2dTranspose', () => {
    const x = normal(21, 2, 3, 4, 3);
    const filter = normal(22, 4, 3, 2, 3);
    expect(ops.conv2dTranspose(x, filter, { strides: 2 }).shape).toEqual([2, 6, 8, 2]);
    expect(ops.conv2dTranspose(x, filter, { strides: 2, padding: 'valid' }).shape).toEqual([2, 8, 9, 2]);
    expect(ops.conv2dTranspose(x, filter, { strides: 2, padding: 1, outputPadding: 1 }).shape).toEqual([2, 7, 8, 2]);
    // <conv(u), x> = <u, transpose(x)>
    const u = normal(23, 2, 6, 8, 2);
    const forward = tf.sum(tf.mul(tf.conv2d(u as tf.Tensor4D, filter as tf.Tensor4D, 2, 'same'), x));
    expectClose(tf.sum(tf.mul(u, ops.conv2dTranspose(x, filter, { strides: 2 }))), forward, { rtol: 1e-4 });
    for (const padding of ['same', 'valid', 1] as const) {
      check((v, f) => ops.conv2dTranspose(v as tf.Tensor, f as tf.Tensor, { strides: 2, padding }), [x, filter]);
    }
    expect(() => ops.conv2dTranspose(x, normal(1, 3, 3, 3, 2))).toThrow('the channels of');
    expect(() => ops.conv2dTranspose(x, filter, { outputPadding: 1 })).toThrow('outputPadding');
  });

  run('conv3d', () => {
    const x = normal(24, 1, 3, 4, 4, 2);
    const filter = normal(25, 3, 3, 3, 2, 3);
    expectClose(ops.conv3d(x, filter, { padding: 1 }), ops.conv3d(x, filter), { atol: 1e-5 });
    expect(ops.conv3d(x, filter, { strides: [1, 2, 2], padding: [1, 0, 0] }).shape).toEqual([1, 3, 1, 1, 3]);
    check((v, f) => ops.conv3d(v as tf.Tensor, f as tf.Tensor, { strides: [1, 2, 2] }), [x, filter]);
    expect(() => ops.conv3d(x, normal(1, 3, 3, 3, 3, 2))).toThrow('channels');
    expect(() => ops.conv3d(x, filter, { padding: -1 })).toThrow("'padding'");
  });

  run('conv3dTranspose', () => {
    const x = normal(26, 1, 2, 3, 2, 3);
    const filter = normal(27, 3, 3, 3, 2, 3);
    expect(ops.conv3dTranspose(x, filter, { strides: [1, 2, 2], padding: 'valid' }).shape).toEqual([1, 4, 7, 5, 2]);
    const u = normal(28, 1, 4, 6, 4, 2);
    const forward = tf.sum(tf.mul(tf.conv3d(u as tf.Tensor5D, filter as tf.Tensor5D, 2, 'same'), x));
    expectClose(tf.sum(tf.mul(u, ops.conv3dTranspose(x, filter, { strides: 2 }))), forward, { rtol: 1e-4 });
    check((v, f) => ops.conv3dTranspose(v as tf.Tensor, f as tf.Tensor, { strides: [1, 2, 2] }), [x, filter]);
    check((v, f) => ops.conv3dTranspose(v as tf.Tensor, f as tf.Tensor, { padding: 'valid' }), [x, filter]);
  });

  run('straightThrough and stopGradient', () => {
    const x = tf.tensor1d([0.1, 0.7]);
    const q = tf.tensor1d([0, 1]);
    expectClose(tf.grad((v) => tf.sum(tf.mul(ops.straightThrough(v, tf.square(v)), [2, 3])))(x), [2, 3]);
    expectClose(ops.straightThrough(x, q), q, { atol: 0, rtol: 0 });
    expectClose(tf.grad((v) => tf.sum(tf.mul(v, ops.stopGradient(v))))(x), x);
    expect(() => ops.straightThrough(x, tf.zeros([3]))).toThrow('x [2], q [3]');
    expectNoLeak(() => ops.stopGradient(x), 1);
    expect(ops.stopGradient(tf.tensor1d([1], 'int32')).dtype).toBe('int32');
  });
});
