import { tf, useEngine } from '@tesserae/tensor';
import { expectClose } from '@tesserae/tensor/testing';
import { beforeAll, describe, expect, it } from 'vitest';
import { rotationTrick } from './rotation.ts';
import { straightThrough } from './straight-through.ts';

const exact = { atol: 0, rtol: 0 };

/** Row r: d out_r / d x, for one latent. */
function jacobian(
  estimator: (x: tf.Tensor2D, q: tf.Tensor2D) => tf.Tensor2D,
  latent: number[],
  code: number[],
): number[][] {
  const q = tf.tensor2d([code]);
  return latent.map((_, r) => {
    const gradient = tf.grad((x) =>
      estimator(x as tf.Tensor2D, q)
        .slice([0, r], [1, 1])
        .sum(),
    )(tf.tensor2d([latent]));
    return Array.from(gradient.dataSync());
  });
}

describe.each(['cpu', 'wasm'])('on %s', (engine) => {
  beforeAll(async () => {
    await useEngine(engine);
  });

  describe('straightThrough', () => {
    it('gives the code, and the identity as Jacobian', () => {
      expectClose(straightThrough(tf.tensor2d([[0.1, 7]]), tf.tensor2d([[0.3, 5]])), tf.tensor2d([[0.3, 5]]), exact);
      expectClose(jacobian(straightThrough, [0.1, 7], [0.3, 5]), [1, 0, 0, 1], exact);
    });

    it('has gradient 1/numel for the mean of its output', () => {
      const q = tf.tensor2d([
        [1, 2],
        [3, 4],
        [5, 6],
      ]);
      expectClose(tf.grad((x) => straightThrough(x as tf.Tensor2D, q).mean())(tf.zeros([3, 2])), Array(6).fill(1 / 6));
    });
  });

  describe('rotationTrick', () => {
    it('has the Jacobians of specs/vq.md 8(a)', () => {
      expectClose(jacobian(rotationTrick, [3, 4], [4, 3]), [0.96, 0.28, -0.28, 0.96], { atol: 1e-6 });
      expectClose(jacobian(rotationTrick, [1, 0], [0, 2]), [0, -2, 2, 0], { atol: 1e-6 });
    });

    it('equals straight-through where latent and code agree', () => {
      expectClose(jacobian(rotationTrick, [0.3, -2], [0.3, -2]), [1, 0, 0, 1], { atol: 1e-6 });
    });

    it('gives the code exactly, and takes the latent to it: λR·x = q', () => {
      const latent = [0.3, -1.7, 0.4];
      const code = [1.1, 0.2, -0.6];
      expectClose(rotationTrick(tf.tensor2d([latent]), tf.tensor2d([code])), tf.tensor2d([code]), exact);
      const rows = jacobian(rotationTrick, latent, code);
      const image = rows.map((row) => row.reduce((sum, value, j) => sum + value * (latent[j] as number), 0));
      expectClose(image, code, { atol: 1e-5 });
    });

    it('sends no gradient to the code', () => {
      const [, toCode] = tf.grads((x, q) =>
        rotationTrick(x as tf.Tensor2D, q as tf.Tensor2D)
          .square()
          .sum(),
      )([tf.tensor2d([[1, 2]]), tf.tensor2d([[3, 4]])]);
      expectClose(toCode as tf.Tensor, [0, 0], exact);
    });

    it('stays finite at zero and for opposite directions', () => {
      for (const [latent, code] of [
        [
          [0, 0],
          [1, 1],
        ],
        [
          [1, 1],
          [0, 0],
        ],
        [
          [2, 1],
          [-2, -1],
        ],
      ] as [number[], number[]][]) {
        expect(jacobian(rotationTrick, latent, code).flat().every(Number.isFinite)).toBe(true);
      }
      expectClose(jacobian(rotationTrick, [0, 0], [1, 1]), [1, 0, 0, 1], exact);
    });
  });
});
