import { compile, random, tf, useEngine, valueAndGrad } from '@tesserae/tensor';
import { expectClose, expectNoLeak } from '@tesserae/tensor/testing';
import { beforeAll, describe, expect, it } from 'vitest';
import { kmeans, lloydMeans } from './codebook/kmeans.ts';
import { assign } from './codebook/assignment.ts';
import type { EmaCodebook } from './codebook/ema-codebook.ts';
import { VectorQuantizer } from './vector-quantizer.ts';
import type { VectorQuantizerConfig } from './vector-quantizer.ts';

const exact = { atol: 0, rtol: 0 };

function create(config: Partial<VectorQuantizerConfig> = {}): VectorQuantizer {
  return random.withKey(random.key(1), () => new VectorQuantizer({ dim: 2, codebookSize: 2, ...config }));
}

/** A quantizer with the given codes, and M = E, N = 1. */
function withCodes(codes: number[][], config: Partial<VectorQuantizerConfig> = {}): VectorQuantizer {
  const quantizer = create({
    dim: codes[0]?.length ?? 1,
    codebookSize: codes.length,
    codebook: { kind: 'ema', decay: 0.9, revival: false },
    ...config,
  });
  const vectors = tf.tensor2d(codes);
  quantizer.codebook.vectors.assign(vectors);
  const { embedSum } = quantizer.codebook as unknown as Partial<EmaCodebook>;
  if (embedSum) embedSum.assign(vectors.clone());
  vectors.dispose();
  return quantizer;
}

const ema = (quantizer: VectorQuantizer): EmaCodebook => quantizer.codebook as EmaCodebook;

/** Distinct points around well separated centres. */
function blobs(count: number, dim: number, centres: number, seed: number): tf.Tensor2D {
  return tf.tidy(() => {
    const places = random.normal(random.key(seed), [centres, dim], { std: 5 });
    const which = random.randint(random.key(seed + 1), [count], { min: 0, max: centres });
    return tf.gather(places, which).add(random.normal(random.key(seed + 2), [count, dim], { std: 0.3 })) as tf.Tensor2D;
  });
}

describe.each(['cpu', 'wasm'])('on %s', (engine) => {
  beforeAll(async () => {
    await useEngine(engine);
  });

  describe('VectorQuantizer.quantize', () => {
    it('gives the nearest code, lowest index on ties, with the shape of the latents', () => {
      const quantizer = withCodes([
        [0, 0],
        [10, 10],
        [0, 0],
      ]);
      const { codes, indices, losses, stats } = quantizer.quantize(
        tf.tensor([
          [
            [
              [1, 0],
              [9, 8],
            ],
            [
              [4, 4],
              [7, 7],
            ],
          ],
        ]),
      );
      expect(codes.shape).toEqual([1, 2, 2, 2]);
      expect(indices.shape).toEqual([1, 2, 2]);
      expect(indices.dtype).toBe('int32');
      expectClose(indices, [0, 1, 0, 1], exact);
      expectClose(codes, [0, 0, 10, 10, 0, 0, 10, 10], exact);
      expectClose(losses['commitment'] as tf.Scalar, (0.25 * (1 + 1 + 4 + 16 + 16 + 9 + 9)) / 8);
      expectClose(stats['usage'] as tf.Scalar, 2 / 3);
      expectClose(stats['perplexity'] as tf.Scalar, 2);
    });

    it('gives codes that lookup of the indices repeats to the bit', () => {
      for (const config of [{}, { codebookDim: 3 }, { similarity: 'cosine' }, { estimator: 'rotation' }] as const) {
        const quantizer = create({ dim: 4, codebookSize: 16, init: { kind: 'normal' }, ...config });
        const { codes, indices } = quantizer.quantize(random.normal(random.key(2), [2, 5, 4]));
        expectClose(quantizer.lookup(indices), codes, exact);
      }
    });

    it('passes gradient straight through: 1/numel for the mean', () => {
      const quantizer = withCodes([
        [0, 0],
        [10, 10],
      ]);
      const gradient = tf.grad((x) => quantizer.quantize(x).codes.mean())(
        tf.tensor3d([
          [
            [1, 2],
            [8, 9],
          ],
        ]),
      );
      expectClose(gradient, Array(4).fill(1 / 4), exact);
    });

    it('has commitment gradient 2β(x − q)/numel', () => {
      const quantizer = withCodes(
        [
          [0, 0],
          [10, 10],
        ],
        { commitment: 0.5 },
      );
      const gradient = tf.grad((x) => quantizer.quantize(x).losses['commitment'] as tf.Scalar)(
        tf.tensor3d([
          [
            [1, 2],
            [8, 9],
          ],
        ]),
      );
      expectClose(
        gradient,
        [1, 2, -2, -1].map((d) => (2 * 0.5 * d) / 4),
      );
    });

    it('rotates the gradient with the rotation estimator', () => {
      const quantizer = withCodes(
        [
          [4, 3],
          [-9, -9],
        ],
        { estimator: 'rotation' },
      );
      const gradient = tf.grad((x) => quantizer.quantize(x).codes.slice([0, 0, 0], [1, 1, 1]).sum())(
        tf.tensor3d([[[3, 4]]]),
      );
      expectClose(gradient, [0.96, 0.28], { atol: 1e-6 });
    });

    it('chooses in cosine mode as in Euclidean mode on normalised inputs', () => {
      const unit = (t: tf.Tensor): tf.Tensor => t.div(t.norm('euclidean', -1, true));
      const latents = random.normal(random.key(5), [1, 40, 3]);
      const codes = random.normal(random.key(6), [8, 3]);
      const cosine = withCodes(unit(codes).arraySync() as number[][], { similarity: 'cosine' });
      const euclidean = withCodes(unit(codes).arraySync() as number[][]);
      const a = cosine.quantize(latents);
      const b = euclidean.quantize(unit(latents));
      expectClose(a.indices, b.indices, exact);
      expectClose(a.losses['commitment'] as tf.Scalar, b.losses['commitment'] as tf.Scalar);
    });

    it('with a mask equals the truncated input: losses, statistics and state', () => {
      const latents = random.normal(random.key(7), [1, 6, 2], { std: 4 });
      const truncated = latents.slice([0, 0, 0], [1, 4, 2]);
      const padded = tf.concat([truncated, tf.fill([1, 2, 2], Number.NaN)], 1);
      const mask = tf.tensor2d([[1, 1, 1, 1, 0, 0]], undefined, 'bool');
      const [a, b] = [
        withCodes([
          [0, 0],
          [3, 3],
        ]),
        withCodes([
          [0, 0],
          [3, 3],
        ]),
      ];
      const full = a.quantize(padded, { training: true, mask });
      const short = b.quantize(truncated, { training: true });
      expectClose(full.losses['commitment'] as tf.Scalar, short.losses['commitment'] as tf.Scalar);
      expectClose(full.stats['perplexity'] as tf.Scalar, short.stats['perplexity'] as tf.Scalar);
      for (const name of ['vectors', 'clusterSize', 'embedSum'] as const) expectClose(ema(a)[name], ema(b)[name]);
      expectClose(full.indices.slice([0, 4], [1, 2]), [-1, -1], exact);
      expectClose(full.codes.slice([0, 4, 0], [1, 2, 2]), [0, 0, 0, 0], exact);
      expectClose(full.codes.slice([0, 0, 0], [1, 4, 2]), short.codes, exact);
      expectClose(
        withCodes([
          [0, 0],
          [3, 3],
        ]).lookup(full.indices),
        full.codes,
        exact,
      );
    });

    it('with a mask of zeros changes nothing and stays finite', () => {
      const quantizer = withCodes(
        [
          [1, 2],
          [3, 3],
        ],
        { codebook: { kind: 'ema', epsilon: 0 } },
      );
      const { losses, stats } = random.withKey(random.key(0), () =>
        quantizer.quantize(tf.ones([1, 3, 2]), { training: true, mask: tf.zeros([1, 3]) }),
      );
      expectClose(losses['commitment'] as tf.Scalar, 0);
      expectClose(stats['usage'] as tf.Scalar, 0);
      expect(stats['perplexity']?.dataSync()[0]).toBeCloseTo(1, 5);
      expectClose(stats['revived'] as tf.Scalar, 0);
      expectClose(quantizer.codebook.vectors, [1, 2, 3, 3]);
    });
  });

  describe('EMA codebook', () => {
    it('takes the step of specs/vq.md 8(a)', () => {
      const quantizer = withCodes([
        [0, 0],
        [10, 10],
      ]);
      const { codes } = quantizer.quantize(
        tf.tensor3d([
          [
            [1, 0],
            [0, 1],
            [9, 10],
          ],
        ]),
        { training: true },
      );
      expectClose(codes, [0, 0, 0, 0, 10, 10], exact); // from before the update
      expectClose(ema(quantizer).clusterSize, [1.1, 1.0]);
      expectClose(ema(quantizer).embedSum, [0.1, 0.1, 9.9, 10]);
      expectClose(ema(quantizer).vectors, [0.0909091, 0.0909091, 9.8999953, 9.9999952], { atol: 2e-6 });
    });

    it('changes only in training, and not when frozen for the call', () => {
      const quantizer = withCodes([
        [0, 0],
        [10, 10],
      ]);
      const latents = tf.tensor3d([[[1, 0]]]);
      quantizer.quantize(latents);
      quantizer.quantize(latents, { training: true, freeze: true });
      expectClose(quantizer.codebook.vectors, [0, 0, 10, 10], exact);
      expectClose(ema(quantizer).clusterSize, [1, 1], exact);
    });

    it('is a Lloyd step at γ = 0, ε = 0, empty clusters included', () => {
      const latents = blobs(60, 2, 4, 10);
      const start = [
        [0, 0],
        [3, 3],
        [-4, 2],
        [900, 900],
      ];
      const quantizer = withCodes(start, { codebook: { kind: 'ema', decay: 0, epsilon: 0, revival: false } });
      const { indices } = quantizer.quantize(latents.expandDims(0), { training: true });
      const expected = lloydMeans(tf.tensor2d(start), assign(latents, indices.reshape([-1]), 4));
      expectClose(quantizer.codebook.vectors, expected, { rtol: 1e-5 });
      expectClose(quantizer.codebook.vectors.slice([3, 0], [1, 2]), [900, 900], exact);
    });

    it('converges to k-means centroids on a fixed batch', () => {
      const latents = blobs(80, 2, 3, 20);
      const { means } = kmeans(latents, { clusters: 3, iterations: 20, key: random.key(3) });
      const nudged = means.add(0.3).arraySync() as number[][];
      const quantizer = withCodes(nudged, { codebook: { kind: 'ema', decay: 0.5, revival: false } });
      for (let step = 0; step < 40; step++) quantizer.quantize(latents.expandDims(0), { training: true });
      expectClose(quantizer.codebook.vectors, means, { atol: 1e-3 });
    });

    it('gets no gradient', () => {
      const quantizer = withCodes([
        [0, 0],
        [10, 10],
      ]);
      const { vectors } = quantizer.codebook;
      expect(quantizer.parameters()).toEqual({});
      const latents = tf.tensor3d([
        [
          [1, 0],
          [9, 8],
        ],
      ]);
      const { grads } = valueAndGrad(
        () => {
          const { codes, losses } = quantizer.quantize(latents);
          return codes
            .square()
            .mean()
            .add(losses['commitment'] as tf.Scalar) as tf.Scalar;
        },
        { vectors },
      );
      expectClose(grads['vectors'] as tf.Tensor, [0, 0, 0, 0], exact);
    });

    it('stays on the sphere in cosine mode', () => {
      const quantizer = create({
        dim: 3,
        codebookSize: 4,
        similarity: 'cosine',
        codebook: { kind: 'ema', revival: false },
      });
      const latents = random.normal(random.key(4), [1, 30, 3]);
      quantizer.quantize(latents, { training: true });
      expectClose(quantizer.codebook.vectors.norm('euclidean', -1), [1, 1, 1, 1]);
    });
  });

  describe('revival', () => {
    const latents = (): tf.Tensor3D => blobs(64, 2, 4, 30).expandDims(0) as tf.Tensor3D;
    const far = (): number[][] => [
      [0, 0],
      [500, 500],
      [600, 600],
      [700, 700],
    ];

    it('replaces codes that nobody chooses by vectors of the batch', () => {
      const codebook = { kind: 'ema', decay: 0.5, revival: { threshold: 1 } } as const;
      const quantizer = withCodes(far(), { codebook });
      const batch = latents();
      const revived: number[] = [];
      for (let step = 0; step < 3; step++) {
        const { stats } = random.withKey(random.key(step), () => quantizer.quantize(batch, { training: true }));
        revived.push(stats['revived']?.dataSync()[0] as number);
      }
      // 1/(1−γ) = 2: no revival at the first step, whose N is mostly its start value.
      expect(revived[0]).toBe(0);
      expect(revived[1]).toBe(3);
      const rows = new Set((batch.reshape([-1, 2]).arraySync() as number[][]).map(String));
      const fresh = withCodes(far(), { codebook });
      for (let step = 0; step < 2; step++)
        random.withKey(random.key(step), () => fresh.quantize(batch, { training: true }));
      const codes = fresh.codebook.vectors.arraySync() as number[][];
      for (const code of codes.slice(1)) expect(rows.has(String(code))).toBe(true);
      expectClose(ema(fresh).clusterSize.slice([1], [3]), [1, 1, 1], exact);
      expectClose(ema(fresh).embedSum.slice([1, 0], [3, 2]), codes.slice(1), exact);
      const { stats } = quantizer.quantize(batch);
      expect(stats['usage']?.dataSync()[0]).toBe(1);
    });

    it('counts a code as dead by its share of N/K, and gives it that size', () => {
      const quantizer = withCodes(far(), { codebook: { kind: 'ema', decay: 0.5, revival: { share: 0.1 } } });
      const batch = latents();
      for (let step = 0; step < 5; step++)
        random.withKey(random.key(step), () => quantizer.quantize(batch, { training: true }));
      // 0.5^t falls below 0.1·64/4 = 1.6 at once, so step 2 revives.
      expect(quantizer.quantize(batch).stats['usage']?.dataSync()[0]).toBe(1);
    });

    it('draws no padding', () => {
      const quantizer = withCodes(far(), { codebook: { kind: 'ema', decay: 0, revival: { threshold: 1 } } });
      const row = tf.tensor2d([
        [1, 2],
        [3, 4],
        [5, 6],
        [7, 8],
      ]);
      const batch = row.expandDims(0);
      for (let seed = 0; seed < 10; seed++) {
        random.withKey(random.key(seed), () =>
          quantizer.quantize(batch, { training: true, mask: tf.tensor2d([[0, 1, 0, 1]]) }),
        );
        for (const code of quantizer.codebook.vectors.arraySync() as number[][]) {
          expect(code.some((value) => value === 1 || value === 5 || value > 100)).toBe(false);
        }
      }
    });

    it('depends on the ambient key, and on nothing else', () => {
      const run = (seed: number): ArrayLike<number> => {
        const quantizer = withCodes(far(), { codebook: { kind: 'ema', decay: 0, revival: { threshold: 1 } } });
        random.withKey(random.key(seed), () => quantizer.quantize(latents(), { training: true }));
        return quantizer.codebook.vectors.dataSync();
      };
      expect(run(1)).toEqual(run(1));
      expect(run(1)).not.toEqual(run(2));
    });
  });

  describe('k-means initialisation', () => {
    it('places the codes, once', () => {
      const quantizer = create({ codebookSize: 4 });
      const latents = blobs(100, 2, 4, 40).expandDims(0);
      quantizer.prepare(latents, random.key(2));
      const { means, counts } = kmeans(latents.squeeze([0]), { clusters: 4, key: random.key(2) });
      const { vectors, clusterSize, embedSum, initted } = ema(quantizer);
      expectClose(vectors, means, exact);
      expectClose(clusterSize, counts, exact);
      expectClose(embedSum, means.mul(counts.expandDims(1)));
      expectClose(counts.sum(), 100);
      expect(initted.dataSync()[0]).toBe(1);
      quantizer.prepare(latents.add(50), random.key(3));
      expectClose(vectors, means, exact);
    });

    it('leaves codes that start otherwise alone', () => {
      const quantizer = create({ init: { kind: 'normal' } });
      const before = Array.from(quantizer.codebook.vectors.dataSync());
      quantizer.prepare(tf.ones([1, 9, 2]), random.key(2));
      expectClose(quantizer.codebook.vectors, before, exact);
    });

    it('works with fewer latents than codes, and with one', () => {
      for (const count of [1, 3]) {
        const quantizer = create({ codebookSize: 8 });
        quantizer.prepare(random.normal(random.key(1), [1, count, 2]), random.key(2));
        expect(Array.from(quantizer.codebook.vectors.dataSync()).every(Number.isFinite)).toBe(true);
      }
    });

    it('is spherical in cosine mode', () => {
      const quantizer = create({ codebookSize: 3, similarity: 'cosine' });
      quantizer.prepare(blobs(50, 2, 3, 50).expandDims(0), random.key(0));
      expectClose(quantizer.codebook.vectors.norm('euclidean', -1), [1, 1, 1]);
    });
  });

  describe('learned codebook', () => {
    it('moves along 2(q − x)/numel, shared by the latents that chose it', () => {
      const quantizer = withCodes(
        [
          [0, 0],
          [10, 10],
          [50, 50],
        ],
        { codebook: { kind: 'learned' } },
      );
      expect(Object.keys(quantizer.parameters())).toEqual(['codebook.vectors']);
      const latents = tf.tensor3d([
        [
          [1, 0],
          [0, 1],
          [9, 10],
        ],
      ]);
      const { grads } = valueAndGrad(() => {
        const { losses } = quantizer.quantize(latents, { training: true });
        return tf.add(losses['codebook'] as tf.Scalar, losses['commitment'] as tf.Scalar) as tf.Scalar;
      }, quantizer.parameters());
      expectClose(
        grads['codebook.vectors'] as tf.Tensor,
        [-1, -1, 1, 0, 0, 0].map((d) => (2 * d) / 6),
      );
    });

    it('adds the orthogonality term when asked', () => {
      const quantizer = withCodes(
        [
          [1, 0],
          [0, 1],
        ],
        { codebook: { kind: 'learned', orthogonality: 10 } },
      );
      expectClose(quantizer.quantize(tf.ones([1, 1, 2])).losses['orthogonality'] as tf.Scalar, 0);
    });

    it('revives dead codes when asked', () => {
      const codebook = { kind: 'learned', decay: 0, revival: { threshold: 1 } } as const;
      const quantizer = withCodes(
        [
          [0, 0],
          [500, 500],
        ],
        { codebook },
      );
      random.withKey(random.key(0), () => quantizer.quantize(tf.ones([1, 4, 2]), { training: true }));
      expectClose(quantizer.codebook.vectors, [0, 0, 1, 1], exact);
    });
  });

  describe('frozen codebook', () => {
    it('never changes and has no parameters', () => {
      const quantizer = withCodes(
        [
          [0, 0],
          [10, 10],
        ],
        { codebook: { kind: 'frozen' } },
      );
      quantizer.quantize(tf.ones([1, 4, 2]), { training: true });
      expectClose(quantizer.codebook.vectors, [0, 0, 10, 10], exact);
      expect(quantizer.parameters()).toEqual({});
    });
  });

  describe('state', () => {
    it('goes through a state dict, so that a copy continues alike', () => {
      const a = create({ dim: 4, codebookDim: 2, codebookSize: 4 });
      const b = random.withKey(random.key(9), () => new VectorQuantizer({ dim: 4, codebookDim: 2, codebookSize: 4 }));
      const latents = random.normal(random.key(1), [2, 9, 4]);
      a.prepare(latents, random.key(0));
      const step = (quantizer: VectorQuantizer): void => {
        random.withKey(random.key(5), () => quantizer.quantize(latents, { training: true }));
      };
      step(a);
      b.load(a.stateDict());
      step(a);
      step(b);
      const [left, right] = [a.stateDict(), b.stateDict()];
      expect(Object.keys(left).sort()).toEqual([
        'codebook.clusterSize',
        'codebook.embedSum',
        'codebook.initted',
        'codebook.updates',
        'codebook.vectors',
        'projectIn.bias',
        'projectIn.weight',
        'projectOut.bias',
        'projectOut.weight',
      ]);
      for (const [name, value] of Object.entries(left)) expectClose(right[name] as tf.Tensor, value, exact);
    });

    it('keeps memory flat over 100 steps', () => {
      const quantizer = create({ codebookSize: 4 });
      const latents = blobs(64, 2, 4, 60).expandDims(0);
      quantizer.prepare(latents, random.key(0));
      const step = (i: number): void => {
        const result = random.withKey(random.key(i), () => quantizer.quantize(latents, { training: true }));
        tf.dispose([result.codes, result.indices, result.losses, result.stats]);
      };
      expectNoLeak(() => {
        for (let i = 0; i < 100; i++) tf.tidy(() => step(i));
      });
    });

    it('trains inside compile', () => {
      const quantizer = create({ codebookSize: 4 });
      const reference = create({ codebookSize: 4 });
      const latents = blobs(64, 2, 4, 70).expandDims(0);
      const step = compile((x: tf.Tensor, key: random.Key) =>
        random.withKey(key, () => quantizer.quantize(x, { training: true }).losses['commitment'] as tf.Scalar),
      );
      for (let i = 0; i < 3; i++) {
        step(latents, random.key(i));
        random.withKey(random.key(i), () => reference.quantize(latents, { training: true }));
      }
      expectClose(quantizer.codebook.vectors, reference.codebook.vectors);
      step.dispose();
    });
  });

  describe('bad input', () => {
    it('is refused with the argument, what was expected and what came', () => {
      expect(() => create({ codebookSize: 1 })).toThrow(/codebookSize must be a whole number of at least 2, got 1/);
      expect(() => create({ codebookSize: 0 })).toThrow(/codebookSize/);
      expect(() => create({ codebookSize: 2.5 })).toThrow(/codebookSize/);
      expect(() => create({ dim: 0 })).toThrow(/dim must be/);
      expect(() => create({ commitment: -1 })).toThrow(/commitment/);
      expect(() => create({ codebookDim: 1, estimator: 'rotation' })).toThrow(/rotation needs codebookDim 2/);
      expect(() => create({ codebook: { kind: 'ema', decay: 1 } })).toThrow(/decay must be in \[0, 1\), got 1/);
      expect(() => create({ codebook: { kind: 'ema', revival: { share: 1 } } })).toThrow(/share/);
      const quantizer = create();
      expect(() => quantizer.quantize(tf.zeros([1, 4, 3]))).toThrow(/\[batch, ...grid, 2\].*got \[1, 4, 3\]/);
      expect(() => quantizer.quantize(tf.zeros([1, 4, 2], 'int32'))).toThrow(/float32, got int32/);
      expect(() => quantizer.quantize(tf.zeros([1, 4, 2]), { mask: tf.ones([1, 3]) })).toThrow(
        /mask.*\[1, 4\].*got \[1, 3\]/,
      );
      expect(() => quantizer.quantize(tf.tensor3d([[[1, Number.NaN]]]))).toThrow(
        /finite, got NaN in vector 0, element 1/,
      );
      expect(() => quantizer.prepare(tf.tensor3d([[[1, Number.POSITIVE_INFINITY]]]), random.key(0))).toThrow(/finite/);
      expect(() => quantizer.prepare(tf.zeros([1, 0, 2]), random.key(0))).toThrow(/at least one vector/);
      expect(() => quantizer.lookup(tf.tensor2d([[0, 2]], undefined, 'int32'))).toThrow(
        /index 2 at position 1.*\[-1, 2\)/,
      );
      expect(() => quantizer.lookup(tf.tensor2d([[0.5]]))).toThrow(/int32/);
    });

    it('leaves the state as it was', () => {
      const quantizer = withCodes([
        [0, 0],
        [10, 10],
      ]);
      const bad = tf.tensor3d([[[1, Number.NaN]]]);
      expect(() => quantizer.quantize(bad, { training: true })).toThrow();
      expectClose(ema(quantizer).clusterSize, [1, 1], exact);
      expectClose(quantizer.codebook.vectors, [0, 0, 10, 10], exact);
    });
  });
});
