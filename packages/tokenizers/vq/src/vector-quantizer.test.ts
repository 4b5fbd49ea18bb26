import { compile, random, tf, useEngine } from '@tesserae/tensor';
import { expectClose, expectNoLeak } from '@tesserae/tensor/testing';
import { beforeAll, describe, expect, it } from 'vitest';
import { blobs, create, ema, exact, withCodes } from './quantizer.fixture.ts';
import { VectorQuantizer } from './vector-quantizer.ts';

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
