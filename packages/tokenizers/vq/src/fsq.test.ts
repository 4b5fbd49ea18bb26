import { random, tf, useEngine, valueAndGrad } from '@tesserae/tensor';
import { expectClose, expectNoLeak } from '@tesserae/tensor/testing';
import { beforeAll, describe, expect, it } from 'vitest';
import { FSQ } from './fsq.ts';
import type { FSQConfig } from './fsq.ts';

const create = (config: FSQConfig): FSQ => random.withKey(random.key(0), () => new FSQ(config));

describe.each(['cpu', 'wasm'])('on %s', (engine) => {
  beforeAll(async () => {
    await useEngine(engine);
  });

  describe('FSQ, original', () => {
    it('rounds, codes and numbers as computed by hand', () => {
      // By hand: ẑ = (1, −2, 0, 2).
      const quantizer = create({ levels: [8, 5, 5, 5] });
      expect(quantizer.codebookSize).toBe(1000);
      const { codes, indices, losses } = quantizer.quantize(tf.tensor2d([[0.3, -1.2, 0, 2]]));
      expectClose(codes, [[0.25, -1, 0, 1]], { atol: 0, rtol: 0 });
      expect(indices.dtype).toBe('int32');
      expect(Array.from(indices.dataSync())).toEqual([885]);
      expect(losses).toEqual({});
    });

    it('takes zero to code zero for any level count', () => {
      for (const level of [3, 4, 5, 6, 7, 8, 9, 16]) {
        const { codes } = create({ levels: [level] }).quantize(tf.zeros([1, 1]));
        expect(codes.dataSync()[0]).toBeCloseTo(0, 12);
      }
    });

    it('decodes every index to a code that encodes to it', () => {
      for (const variant of ['original', 'symmetric'] as const) {
        const quantizer = create({ levels: [8, 5, 3], variant });
        const all = tf.range(0, quantizer.codebookSize, 1, 'int32').reshape([1, -1]);
        const codes = quantizer.lookup(all); // [1, K, 3], each in [−1, 1]
        expect(new Set(codes.reshape([-1, 3]).arraySync() as number[][]).size).toBe(quantizer.codebookSize);
        // A latent that lands on the code: the inverse of the bound.
        const half = tf.tensor2d([[4, 2, 1]]);
        const bound = tf.tensor2d([[3.5035, 2.002, 1.001]]);
        const offset = tf.tensor2d([[0.5, 0, 0]]);
        const latents =
          variant === 'symmetric'
            ? codes.mul(0.999).atanh()
            : codes.mul(half).add(offset).div(bound).atanh().sub(offset.div(bound).atanh());
        const again = quantizer.quantize(latents as tf.Tensor);
        expect(Array.from(again.indices.dataSync())).toEqual(Array.from(all.dataSync()));
        expectClose(again.codes, codes, { atol: 0, rtol: 0 });
      }
    });

    it('has the gradient of the squashing, straight through the rounding', () => {
      const quantizer = create({ levels: [8, 5] });
      const z = tf.tensor2d([[0.3, -0.4]]);
      const gradient = tf.grad((x) => quantizer.quantize(x).codes.sum())(z);
      // d/dz tanh(z + s)·h/⌊L/2⌋ with s = 0.143695 for 8 levels, 0 for 5.
      const slope = (x: number): number => 1 - Math.tanh(x) ** 2;
      expectClose(gradient, [[(slope(0.3 + 0.143695) * 3.5035) / 4, (slope(-0.4) * 2.002) / 2]], { atol: 1e-5 });
    });
  });

  describe('FSQ, symmetric', () => {
    it.each([
      [3, [-1, 0, 0, 0, 1]],
      [4, [-1, -1 / 3, 1 / 3, 1 / 3, 1]],
      [2, [-1, -1, 1, 1, 1]],
    ])('rounds %i levels as computed by hand', (level, expected) => {
      const quantizer = create({ levels: [level], variant: 'symmetric' });
      const { codes } = quantizer.quantize(tf.tensor2d([-9, -0.3, 0, 0.3, 9], [5, 1]));
      expectClose(codes.reshape([-1]), expected, { atol: 1e-6 });
    });
  });

  describe('FSQ', () => {
    it('maps wider latents there and back, with gradient to both maps', () => {
      const quantizer = create({ levels: [5, 5], dim: 3 });
      const x = random.normal(random.key(1), [2, 2, 2, 3]);
      const { codes, indices } = quantizer.quantize(x);
      expect(codes.shape).toEqual([2, 2, 2, 3]);
      expect(indices.shape).toEqual([2, 2, 2]);
      expectClose(quantizer.lookup(indices), codes, { atol: 0, rtol: 0 });
      const { grads } = valueAndGrad(
        () => quantizer.quantize(x).codes.square().sum() as tf.Scalar,
        quantizer.parameters(),
      );
      for (const gradient of Object.values(grads)) expect(gradient.abs().sum().dataSync()[0]).toBeGreaterThan(0);
    });

    it('numbers more codes than float32 can count', () => {
      const quantizer = create({ levels: [16, 16, 16, 16, 16, 16, 16] }); // 2^28
      const indices = tf.tensor1d([2 ** 28 - 1, 2 ** 24 + 1, 12345679], 'int32').reshape([3, 1]);
      const codes = quantizer.lookup(indices);
      const bound = (15 * 1.001) / 2;
      const latents = codes
        .mul(8)
        .add(0.5)
        .div(bound)
        .atanh()
        .sub(Math.atanh(0.5 / bound));
      expect(Array.from(quantizer.quantize(latents as tf.Tensor).indices.dataSync())).toEqual(
        Array.from(indices.dataSync()),
      );
    });

    it('refuses what cannot be', () => {
      expect(() => create({ levels: [] })).toThrow(/levels is empty/);
      expect(() => create({ levels: [8, 2] })).toThrow(/levels\[1\].*symmetric/);
      expect(() => create({ levels: [1], variant: 'symmetric' })).toThrow(/at least 2, got 1/);
      expect(() => create({ levels: Array(40).fill(3) as number[] })).toThrow(/2\^31/);
      const quantizer = create({ levels: [5, 5] });
      expect(() => quantizer.quantize(tf.zeros([2, 3]))).toThrow(/FSQ.quantize.*\[batch, ...grid, 2\].*\[2, 3\]/);
      expect(() => quantizer.quantize(tf.tensor2d([[0, Number.NaN]]))).toThrow(/finite.*NaN.*vector 0, element 1/);
      expect(() => quantizer.lookup(tf.tensor1d([25], 'int32'))).toThrow(/index 25 at position 0.*\[0, 25\)/);
      expect(() => quantizer.lookup(tf.tensor1d([-1], 'int32'))).toThrow(/index -1/);
      expect(() => quantizer.lookup(tf.tensor1d([1]))).toThrow(/int32/);
    });

    it('leaves no tensors behind', () => {
      const quantizer = create({ levels: [5, 5] });
      const x = tf.zeros([2, 4, 2]);
      expectNoLeak(() => {
        const { codes, indices, stats } = quantizer.quantize(x);
        quantizer.lookup(indices).dispose();
        tf.dispose([codes, indices, stats]);
      });
    });
  });
});
