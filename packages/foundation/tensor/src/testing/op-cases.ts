/**
 * Values and gradients of every op of this package, for any engine: start one, then run each case.
 *
 * Values are held against an independent formula in plain ops or against numbers of PyTorch 2; gradients against finite
 * differences. `tensor` runs the cases on `cpu` and `wasm`; engines run them in their own tests.
 */
import * as tf from '@tensorflow/tfjs-core';
import * as ops from '../ops/index.ts';
import * as random from '../random/index.ts';
import { checkGradients } from './check-gradients.ts';
import { expectClose } from './expect-close.ts';

/** One check; throws an Error if it fails. */
export interface OpCase {
  readonly name: string;
  run(): void;
}

function expectShape(x: tf.Tensor, shape: readonly number[]): void {
  if (!tf.util.arraysEqual(x.shape, [...shape]))
    throw new Error(`expected [${shape.join(', ')}], got [${x.shape.join(', ')}].`);
  x.dataSync();
}

const normal = (seed: number, ...shape: number[]): tf.Tensor => random.normal(random.key(seed), shape);

const inner = (a: tf.Tensor, b: tf.Tensor): tf.Tensor => tf.sum(tf.mul(a, b));

interface Affine {
  a: tf.Tensor;
  b: tf.Tensor;
}

/** h_t = a_t h_{t-1} + b_t as composition of affine maps: associative, not commutative. */
const compose = (f: Affine, g: Affine): Affine => ({ a: tf.mul(f.a, g.a), b: tf.add(tf.mul(g.a, f.b), g.b) });

const cases: Record<string, () => void> = {
  gelu() {
    const x = tf.tensor1d([-3, -1, 0, 0.5, 2]);
    expectClose(ops.gelu(x), [-0.00404951, -0.15865526, 0, 0.34573123, 1.95449972]);
    expectClose(ops.gelu(x, 'tanh'), [-0.00363752, -0.15880796, 0, 0.34571403, 1.95459759], { atol: 2e-6 });
    checkGradients((v) => ops.gelu(v), [normal(1, 3, 5)]);
    checkGradients((v) => ops.gelu(v, 'tanh'), [normal(1, 3, 5)]);
  },

  silu() {
    expectClose(ops.silu(tf.tensor1d([-1, 0, 2])), [-0.26894142, 0, 1.76159416]);
    checkGradients((v) => ops.silu(v), [normal(2, 3, 5)]);
  },

  'second derivatives'() {
    // Custom gradients, too, are differentiated.
    checkGradients((v) => tf.grad((w: tf.Tensor) => tf.sum(ops.silu(w)))(v), [tf.tensor1d([0.3, -1.2])]);
    checkGradients(
      (v) => tf.grad((w: tf.Tensor) => tf.sum(tf.mul(ops.layerNorm(w), tf.tensor1d([1, -2, 3]))))(v),
      [tf.tensor1d([0.3, -1.2, 2])],
    );
  },

  groupNorm() {
    const x = normal(3, 2, 3, 2, 4);
    const { mean, variance } = tf.moments(
      tf.reshape(ops.groupNorm(x, { groups: 2, epsilon: 0 }), [2, 6, 2, 2]),
      [1, 3],
    );
    expectClose(mean, tf.zeros([2, 2]), { atol: 1e-5 });
    expectClose(variance, tf.ones([2, 2]), { rtol: 1e-4 });
    checkGradients(
      (v, scale, offset) =>
        ops.groupNorm(v as tf.Tensor, { groups: 2, scale: scale as tf.Tensor, offset: offset as tf.Tensor }),
      [x, normal(4, 4), normal(5, 4)],
    );
  },

  'layerNorm and rmsNorm'() {
    const x = tf.tensor2d([[1, 2, 3, 6]]);
    expectClose(ops.layerNorm(x, { epsilon: 0 }), [[-1.0690449, -0.5345225, 0, 1.6035674]], { rtol: 1e-4 });
    expectClose(ops.rmsNorm(x, { epsilon: 0 }), [[0.2828427, 0.5656854, 0.8485281, 1.6970563]], { rtol: 1e-4 });
    checkGradients(
      (v, scale, offset) => ops.layerNorm(v as tf.Tensor, { scale: scale as tf.Tensor, offset: offset as tf.Tensor }),
      [normal(6, 3, 5), normal(7, 5), normal(8, 5)],
    );
    checkGradients(
      (v, scale) => ops.rmsNorm(v as tf.Tensor, { scale: scale as tf.Tensor }),
      [normal(6, 3, 5), normal(7, 5)],
    );
  },

  softmaxCrossEntropy() {
    const logits = normal(9, 2, 3, 5);
    const labels = tf.tensor2d([0, 4, 2, 1, 1, 3], [2, 3], 'int32');
    const expected = tf.neg(tf.sum(tf.mul(tf.logSoftmax(logits), tf.oneHot(labels, 5)), -1));
    expectClose(ops.softmaxCrossEntropy(logits, labels), expected);
    // Logits of 1000 must not overflow.
    expectClose(ops.softmaxCrossEntropy(tf.tensor2d([[1000, 0]]), tf.tensor1d([1], 'int32')), [1000]);
    checkGradients((v) => ops.softmaxCrossEntropy(v, labels), [logits]);
  },

  linearCrossEntropy() {
    const features = normal(30, 2, 3, 4);
    const weight = normal(31, 4, 7);
    const bias = normal(32, 7);
    const labels = tf.tensor2d([0, 6, 2, 1, 1, 3], [2, 3], 'int32');
    const logits = tf.reshape(tf.matMul(tf.reshape(features, [6, 4]), weight), [2, 3, 7]);
    expectClose(ops.linearCrossEntropy({ features, weight, labels }), ops.softmaxCrossEntropy(logits, labels));
    expectClose(
      ops.linearCrossEntropy({ features, weight, bias, labels }),
      ops.softmaxCrossEntropy(tf.add(logits, bias), labels),
    );
    checkGradients(
      (f, w, b) =>
        ops.linearCrossEntropy({ features: f as tf.Tensor, weight: w as tf.Tensor, bias: b as tf.Tensor, labels }),
      [features, weight, bias],
    );
  },

  selectiveScan() {
    // One channel and one state, by hand: h = 0.5, 0.5 e^-1 - 2, ...
    const time = (values: number[]): tf.Tensor => tf.tensor3d(values, [1, 3, 1]);
    const y = ops.selectiveScan({
      x: time([1, 2, -1]),
      delta: time([0.5, 1, 0.25]),
      a: tf.tensor2d([[-1]]),
      b: time([1, -1, 2]),
      c: time([1, 0.5, 1]),
      skip: tf.tensor1d([1]),
    });
    expectClose(y, [1.5, 1.0919699, -2.9143492]);
    const inputs = (steps: number): tf.Tensor[] => [
      normal(33, 2, steps, 3),
      tf.softplus(normal(34, 2, steps, 3)),
      tf.neg(tf.exp(normal(35, 3, 2))),
      normal(36, 2, steps, 2),
      normal(37, 2, steps, 2),
      normal(38, 3),
    ];
    const scan = (...args: tf.Tensor[]): tf.Tensor => {
      const [x, delta, a, b, c, skip] = args as [tf.Tensor, tf.Tensor, tf.Tensor, tf.Tensor, tf.Tensor, tf.Tensor?];
      return ops.selectiveScan({ x, delta, a, b, c, ...(skip && { skip }) });
    };
    // Step by step.
    const [x, delta, a, b, c] = inputs(9) as [tf.Tensor, tf.Tensor, tf.Tensor, tf.Tensor, tf.Tensor];
    const at = (v: tf.Tensor, t: number): tf.Tensor => tf.gather(v, t, 1);
    let state: tf.Tensor = tf.zeros([2, 3, 2]);
    const steps = Array.from({ length: 9 }, (_, t) => {
      const step = tf.expandDims(at(delta, t), 2);
      const driven = tf.mul(tf.mul(step, tf.expandDims(at(x, t), 2)), tf.expandDims(at(b, t), 1));
      state = tf.add(tf.mul(tf.exp(tf.mul(step, a)), state), driven);
      return tf.sum(tf.mul(state, tf.expandDims(at(c, t), 1)), 2);
    });
    expectClose(scan(x, delta, a, b, c), tf.stack(steps, 1), { rtol: 1e-4, atol: 1e-5 });
    checkGradients(scan, inputs(5), { elements: 8, step: 5e-3 });
    // Long decays end in zeros, not NaN.
    const far = tf.grads(scan)([x, delta, tf.mul(a, 1e4), b, c], tf.onesLike(x));
    for (const gradient of far) expectClose(tf.isFinite(gradient), tf.onesLike(gradient));
  },

  fftConv() {
    // Causal: a kernel longer than the sequence must not wrap around.
    const line = (values: number[]): tf.Tensor => tf.tensor3d(values, [1, values.length, 1]);
    expectClose(ops.fftConv(line([1, 0, 0, 2]), tf.tensor2d([1, 2, 3, 4, 5, 6, 7, 8], [8, 1])), [1, 2, 3, 6], {
      atol: 1e-5,
    });
    for (const [batch, time, taps] of [
      [1, 1, 1],
      [2, 8, 8],
      [3, 7, 4],
    ] as const) {
      const x = normal(39, batch, time, 2);
      const kernel = normal(40, taps, 2);
      const delayed = tf.unstack(kernel).map((tap, j) => {
        const padding: [number, number][] = [
          [0, 0],
          [j, 0],
          [0, 0],
        ];
        return tf.mul(tf.slice(tf.pad(x, padding), [0, 0, 0], x.shape as [number, number, number]), tap);
      });
      expectClose(ops.fftConv(x, kernel), tf.addN(delayed), { rtol: 1e-4, atol: 1e-5 });
      checkGradients((v, k) => ops.fftConv(v as tf.Tensor, k as tf.Tensor), [x, kernel], { elements: 6 });
    }
    const square = (v: tf.Tensor, k: tf.Tensor): tf.Tensor => tf.sum(tf.square(ops.fftConv(v, k)));
    const [x, kernel] = [normal(41, 2, 3, 1), normal(42, 2, 1)];
    checkGradients((v, k) => tf.grads(square)([v as tf.Tensor, k as tf.Tensor]), [x, kernel]);
  },

  attention() {
    const query = normal(10, 2, 4, 3, 5);
    const key = normal(11, 2, 2, 6, 5);
    const value = normal(12, 2, 2, 6, 2);
    const repeat = (x: tf.Tensor): tf.Tensor => tf.reshape(tf.stack([x, x], 2), [2, 4, 6, x.shape[3] as number]);
    const plain = (allowed?: tf.Tensor): tf.Tensor => {
      const scores = tf.div(tf.matMul(query, repeat(key), false, true), Math.sqrt(5));
      const none = tf.fill(scores.shape, -Infinity);
      const masked = allowed === undefined ? scores : tf.where(tf.broadcastTo(allowed, scores.shape), scores, none);
      return tf.matMul(tf.softmax(masked), repeat(value));
    };
    expectClose(ops.attention({ query, key, value }), plain());
    const triangle = tf.tensor2d([1, 1, 1, 1, 0, 0, 1, 1, 1, 1, 1, 0, 1, 1, 1, 1, 1, 1], [3, 6], 'bool');
    expectClose(ops.attention({ query, key, value, causal: true }), plain(triangle));
    expectClose(ops.attention({ query, key, value, mask: triangle }), plain(triangle));
    // Nothing to look at: the mean, not NaN.
    const mean = tf.broadcastTo(tf.mean(repeat(value), 2, true), [2, 4, 3, 2]);
    expectClose(ops.attention({ query, key, value, mask: tf.zeros([6], 'bool') }), mean);
    checkGradients(
      (q, k, v, mask) =>
        ops.attention({
          query: q as tf.Tensor,
          key: k as tf.Tensor,
          value: v as tf.Tensor,
          mask: mask as tf.Tensor,
          causal: true,
        }),
      [query, key, value, normal(13, 1, 4, 3, 6)],
    );
  },

  scanKeys() {
    // The carry keeps its names, in whichever order a step writes them.
    const { carry } = ops.scan(
      ({ a, b }: { a: tf.Tensor; b: tf.Tensor }, x: tf.Tensor) => ({
        carry: { b: tf.add(b, x), a: tf.sub(a, x) },
        output: a,
      }),
      { a: tf.scalar(0), b: tf.scalar(10) },
      tf.tensor1d([1, 2, 3]) as tf.Tensor,
    );
    expectClose(carry.a, -6);
    expectClose(carry.b, 16);
  },

  nothing() {
    const labels = tf.zeros([0], 'int32');
    const [features, weight] = [tf.zeros([0, 3]), tf.ones([3, 4])];
    const loss = (f: tf.Tensor, w: tf.Tensor): tf.Tensor => ops.linearCrossEntropy({ features: f, weight: w, labels });
    const [dFeatures, dWeight] = tf.grads((f: tf.Tensor, w: tf.Tensor) => tf.sum(loss(f, w)))([features, weight]);
    expectShape(loss(features, weight), [0]);
    expectShape(dFeatures as tf.Tensor, [0, 3]);
    expectClose(dWeight as tf.Tensor, tf.zeros([3, 4]));
    expectShape(ops.softmaxCrossEntropy(tf.zeros([0, 3]), labels), [0]);
    for (const shape of [
      [0, 2],
      [3, 0],
    ]) {
      const sum = (a: tf.Tensor, b: tf.Tensor): tf.Tensor => tf.sum(ops.linearRecurrence(a, b));
      for (const g of tf.grads(sum)([tf.zeros(shape), tf.zeros(shape)])) expectShape(g, shape);
    }
    for (const [batch, channels, states] of [
      [0, 2, 3],
      [1, 0, 3],
      [1, 2, 0],
    ] as const) {
      const [x, map] = [tf.ones([batch, 4, channels]), tf.ones([batch, 4, states])];
      const y = ops.selectiveScan({ x, delta: x, a: tf.ones([channels, states]), b: map, c: map });
      expectClose(y, tf.zeros([batch, 4, channels]));
    }
  },

  nearestCode() {
    const codebook = tf.tensor2d([0, 0, 1, 0, 1, 0, 5, 5], [4, 2]);
    const x = tf.tensor2d([0.9, 0.1, 0.1, 0, 9, 9, 0.5, 0], [4, 2]);
    // Codes 1 and 2 are equal, and the last row is as far from 0 as from 1: the lowest index.
    expectClose(ops.nearestCode(x, codebook), [1, 0, 3, 0], { atol: 0, rtol: 0 });
    const large = normal(14, 100, 7);
    const codes = normal(15, 50, 7);
    const differences = tf.sub(tf.expandDims(large, 1), tf.expandDims(codes, 0));
    expectClose(ops.nearestCode(large, codes), tf.argMin(tf.sum(tf.square(differences), 2), 1), { atol: 0, rtol: 0 });
    // The index is on the way from x to the loss, and must not be differentiated.
    const quantize = (v: tf.Tensor): tf.Tensor =>
      ops.straightThrough(v, tf.gather(codebook, ops.nearestCode(v, codebook)));
    expectClose(tf.grad((v: tf.Tensor) => tf.sum(tf.square(quantize(v))))(x), [
      [2, 0],
      [0, 0],
      [10, 10],
      [0, 0],
    ]);
  },

  scatterAdd() {
    const indices = tf.tensor1d([2, 0, 2], 'int32');
    const updates = tf.tensor2d([1, 2, 3, 4, 5, 6], [3, 2]);
    expectClose(ops.scatterAdd(indices, updates, 4), [
      [3, 4],
      [0, 0],
      [6, 8],
      [0, 0],
    ]);
    expectClose(ops.scatterAdd(indices, tf.tensor1d([1, 2, 3]), 3), [2, 0, 4]);
    checkGradients((u) => ops.scatterAdd(indices, u, 4), [normal(16, 3, 2)]);
  },

  associativeScan() {
    for (const n of [1, 2, 3, 4, 5, 7, 8, 13]) {
      const a = normal(17, 2, n, 3);
      const b = normal(18, 2, n, 3);
      const inputs = tf.unstack(b, 1);
      const states: tf.Tensor[] = [];
      tf.unstack(a, 1).forEach((factor, t) => {
        const input = inputs[t] as tf.Tensor;
        states.push(t === 0 ? input : tf.add(tf.mul(factor, states[t - 1] as tf.Tensor), input));
      });
      expectClose(ops.associativeScan(compose, { a, b }, 1).b, tf.stack(states, 1), { rtol: 1e-4, atol: 1e-5 });
    }
    checkGradients(
      (a, b) => Object.values(ops.associativeScan(compose, { a: a as tf.Tensor, b: b as tf.Tensor }, 1)),
      [normal(17, 2, 5, 3), normal(18, 2, 5, 3)],
    );
  },

  updateSlice() {
    const x = tf.tensor2d([1, 2, 3, 4, 5, 6, 7, 8], [4, 2]);
    const at = (start: number): tf.Scalar => tf.scalar(start, 'int32');
    const rows = tf.tensor2d([-1, -2, -3, -4], [2, 2]);
    expectClose(ops.updateSlice(x, rows, at(1)), [1, 2, -1, -2, -3, -4, 7, 8]);
    expectClose(ops.updateSlice(x, rows, 2), [1, 2, 3, 4, -1, -2, -3, -4]);
    // Clamped so that the block fits.
    expectClose(ops.updateSlice(x, rows, at(3)), [1, 2, 3, 4, -1, -2, -3, -4]);
    expectClose(ops.updateSlice(x, rows, at(-5)), [-1, -2, -3, -4, 5, 6, 7, 8]);
    const column = tf.tensor2d([9, 9, 9, NaN], [4, 1]);
    expectClose(ops.updateSlice(x, column, at(0), { axis: -1 }), [9, 2, 9, 4, 9, 6, NaN, 8]);
    expectClose(ops.updateSlice(x, tf.neg(x), at(0)), tf.neg(x));
    const whole = ops.updateSlice(tf.range(0, 4, 1, 'int32'), tf.tensor1d([7], 'int32'), at(2));
    expectClose(whole, tf.tensor1d([0, 1, 7, 3], 'int32'));
    const [cache, block] = [normal(81, 2, 5, 3), normal(82, 2, 2, 3)];
    for (const start of [1, 9]) {
      const write = (u: tf.Tensor, v: tf.Tensor): tf.Tensor => ops.updateSlice(u, v, at(start), { axis: 1 });
      checkGradients((u, v) => write(u as tf.Tensor, v as tf.Tensor), [cache, block]);
      const square = (u: tf.Tensor, v: tf.Tensor): tf.Tensor => tf.sum(tf.square(write(u, v)));
      checkGradients((u, v) => tf.grads(square)([u as tf.Tensor, v as tf.Tensor])[1] as tf.Tensor, [cache, block]);
    }
  },

  linearRecurrence() {
    const a = normal(43, 2, 5, 3);
    const b = normal(44, 2, 5, 3);
    const states = (factors: tf.Tensor[], inputs: tf.Tensor[]): tf.Tensor[] => {
      const found: tf.Tensor[] = [];
      inputs.forEach((input, t) => {
        found.push(t === 0 ? input : tf.add(tf.mul(factors[t] as tf.Tensor, found[t - 1] as tf.Tensor), input));
      });
      return found;
    };
    const [factors, inputs] = [tf.unstack(a, 1), tf.unstack(b, 1)];
    const options = { axis: 1 };
    expectClose(ops.linearRecurrence(a, b, options), tf.stack(states(factors, inputs), 1), { atol: 1e-5 });
    const backwards = states(factors.reverse(), inputs.reverse()).reverse();
    expectClose(ops.linearRecurrence(a, b, { axis: 1, reverse: true }), tf.stack(backwards, 1), { atol: 1e-5 });
    checkGradients((u, v) => ops.linearRecurrence(u as tf.Tensor, v as tf.Tensor, options), [a, b], { elements: 12 });
    checkGradients(
      (u, v) => ops.linearRecurrence(u as tf.Tensor, v as tf.Tensor, { axis: -2, reverse: true }),
      [a, b],
      { elements: 12 },
    );
    expectClose(ops.linearRecurrence(tf.ones([1]), tf.tensor1d([3])), [3]);
    const square = (u: tf.Tensor, v: tf.Tensor): tf.Tensor => tf.sum(tf.square(ops.linearRecurrence(u, v)));
    const [u, v] = [normal(45, 3), normal(46, 3)];
    checkGradients((x, y) => tf.grads(square)([x as tf.Tensor, y as tf.Tensor]), [u, v], { step: 5e-3 });
  },

  scan() {
    const step = (carry: tf.Tensor, x: tf.Tensor): { carry: tf.Tensor; output: { sum: tf.Tensor } } => {
      const next = tf.add(tf.mul(carry, 0.5), x);
      return { carry: next, output: { sum: next } };
    };
    const both = (init: tf.Tensor, xs: tf.Tensor): tf.Tensor[] => {
      const { carry, outputs } = ops.scan(step, init, xs);
      return [carry, outputs.sum];
    };
    const [carry, sums] = both(tf.scalar(0), tf.tensor1d([1, 2, 3])) as [tf.Tensor, tf.Tensor];
    expectClose(carry, 4.25);
    expectClose(sums, [1, 2.5, 4.25]);
    checkGradients((init, xs) => both(init as tf.Tensor, xs as tf.Tensor), [normal(19, 2), normal(20, 4, 2)]);
  },

  conv2dTranspose() {
    const x = normal(21, 2, 3, 4, 3);
    const filter = normal(22, 4, 3, 2, 3);
    // <conv(u), x> = <u, transpose(x)>
    const u = normal(23, 2, 6, 8, 2);
    const forward = inner(tf.conv2d(u as tf.Tensor4D, filter as tf.Tensor4D, 2, 'same'), x);
    expectClose(inner(u, ops.conv2dTranspose(x, filter, { strides: 2 })), forward, { rtol: 1e-4, atol: 1e-4 });
    for (const padding of ['same', 'valid', 1] as const) {
      checkGradients(
        (v, f) => ops.conv2dTranspose(v as tf.Tensor, f as tf.Tensor, { strides: 2, padding }),
        [x, filter],
      );
    }
  },

  conv3d() {
    const x = normal(24, 1, 3, 4, 4, 2);
    const filter = normal(25, 3, 3, 3, 2, 3);
    expectClose(ops.conv3d(x, filter, { padding: 1 }), ops.conv3d(x, filter), { atol: 1e-4 });
    checkGradients((v, f) => ops.conv3d(v as tf.Tensor, f as tf.Tensor, { strides: [1, 2, 2] }), [x, filter]);
    // A kernel smaller than the stride picks every second element, from the first on.
    const one = tf.ones([1, 1, 1, 1, 1]);
    const line = tf.tensor5d([1, 2, 3, 4], [1, 4, 1, 1, 1]);
    expectClose(ops.conv3d(line, one, { strides: [2, 1, 1] }), tf.tensor5d([1, 3], [1, 2, 1, 1, 1]));
  },

  conv3dTranspose() {
    const x = normal(26, 1, 2, 3, 2, 3);
    const filter = normal(27, 3, 3, 3, 2, 3);
    const u = normal(28, 1, 4, 6, 4, 2);
    const forward = inner(tf.conv3d(u as tf.Tensor5D, filter as tf.Tensor5D, 2, 'same'), x);
    expectClose(inner(u, ops.conv3dTranspose(x, filter, { strides: 2 })), forward, { rtol: 1e-4, atol: 1e-4 });
    const one = tf.ones([1, 1, 1, 1, 1]);
    const line = tf.tensor5d([1, 3], [1, 2, 1, 1, 1]);
    expectClose(ops.conv3dTranspose(line, one, { strides: [2, 1, 1] }), tf.tensor5d([1, 0, 3, 0], [1, 4, 1, 1, 1]));
    for (const options of [
      { strides: [1, 2, 2] as const },
      { strides: [4, 2, 1] as const },
      { padding: 'valid' as const },
    ]) {
      checkGradients((v, f) => ops.conv3dTranspose(v as tf.Tensor, f as tf.Tensor, options), [x, filter]);
    }
  },

  'straightThrough and stopGradient'() {
    const x = tf.tensor1d([0.1, 0.7]);
    const q = tf.tensor1d([0, 1]);
    expectClose(ops.straightThrough(x, q), q, { atol: 0, rtol: 0 });
    const through = (v: tf.Tensor): tf.Tensor => inner(ops.straightThrough(v, tf.square(v)), tf.tensor1d([2, 3]));
    expectClose(tf.grad(through)(x), [2, 3]);
    expectClose(tf.grad((v: tf.Tensor) => inner(v, ops.stopGradient(v)))(x), x);
  },
};

/**
 * The cases, for the engine in use.
 *
 * @example
 * await useEngine('xla:cpu', [xla]);
 * for (const { name, run } of opCases) test(name, run);
 */
export const opCases: readonly OpCase[] = Object.entries(cases).map(([name, check]) => ({
  name,
  run: () => tf.tidy(() => void check()),
}));
