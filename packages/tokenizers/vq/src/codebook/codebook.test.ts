import { random, tf, useEngine, valueAndGrad } from '@tesserae/tensor';
import { expectClose } from '@tesserae/tensor/testing';
import { beforeAll, describe, expect, it } from 'vitest';
import { blobs, create, ema, exact, withCodes } from '../quantizer.fixture.ts';
import { assign } from './assignment.ts';
import { kmeans, lloydMeans } from './kmeans.ts';

describe.each(['cpu', 'wasm'])('on %s', (engine) => {
  beforeAll(async () => {
    await useEngine(engine);
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
});
