import { tf, useEngine, valueAndGrad } from '@tesserae/tensor';
import { checkGradients, expectClose } from '@tesserae/tensor/testing';
import { beforeAll, describe, it } from 'vitest';
import { codebookLoss, commitmentLoss } from './commitment.ts';
import { orthogonalityLoss } from './orthogonality.ts';

beforeAll(async () => {
  await useEngine('cpu');
});

const x = (): tf.Tensor2D =>
  tf.tensor2d([
    [1, 2],
    [3, 5],
    [-1, 0],
  ]);
const q = (): tf.Tensor2D =>
  tf.tensor2d([
    [1, 1],
    [2, 5],
    [0, 2],
  ]);

/** Gradients of a loss of latents and codes, zero where none flows. */
function gradients(loss: typeof commitmentLoss): { toLatents: tf.Tensor; toCodes: tf.Tensor } {
  const latents = tf.variable(x());
  const codes = tf.variable(q());
  const { grads } = valueAndGrad(() => loss(latents as tf.Tensor as tf.Tensor2D, codes as tf.Tensor as tf.Tensor2D), {
    latents,
    codes,
  });
  return { toLatents: grads['latents'] as tf.Tensor, toCodes: grads['codes'] as tf.Tensor };
}

describe('commitment', () => {
  it('is the mean square over all elements, with gradient 2(x − q)/numel to the latents only', () => {
    expectClose(commitmentLoss(x(), q()), (1 + 1 + 1 + 4) / 6);
    const { toLatents, toCodes } = gradients(commitmentLoss);
    expectClose(
      toLatents,
      [0, 1, 1, 0, -1, -2].map((d) => (2 * d) / 6),
    );
    expectClose(toCodes, [0, 0, 0, 0, 0, 0]);
  });

  it('mirrored, moves the codes only', () => {
    const { toLatents, toCodes } = gradients(codebookLoss);
    expectClose(toLatents, [0, 0, 0, 0, 0, 0]);
    expectClose(
      toCodes,
      [0, -1, -1, 0, 1, 2].map((d) => (2 * d) / 6),
    );
  });

  it('with padding equals the truncated input, even where padding is NaN', () => {
    const padded = tf.tensor2d([
      [1, 2],
      [Number.NaN, 5],
      [-1, 0],
    ]);
    const weights = tf.tensor1d([1, 0, 1]);
    expectClose(commitmentLoss(padded, q(), weights), (1 + 1 + 4) / 4);
    const gradient = tf.grad((a) => commitmentLoss(a as tf.Tensor2D, q(), weights))(padded);
    expectClose(gradient, [0, 2 / 4, 0, 0, -2 / 4, -4 / 4]);
  });

  it('passes gradient checks, codes through the lookup too', () => {
    const weights = tf.tensor1d([1, 0, 1]);
    const chosen = tf.tensor1d([1, 0, 1], 'int32');
    checkGradients((latents) => commitmentLoss(latents as tf.Tensor2D, q(), weights), [x()]);
    checkGradients(
      (codes) => codebookLoss(x(), tf.gather(codes, chosen) as tf.Tensor2D),
      [
        tf.tensor2d([
          [1, 1],
          [2, 5],
        ]),
      ],
    );
  });

  it('of nothing but padding is zero', () => {
    expectClose(commitmentLoss(x(), q(), tf.zeros([3])), 0);
  });
});

describe('orthogonality', () => {
  it('is 0 for orthogonal codes and 1 − 1/n for n equal ones', () => {
    expectClose(orthogonalityLoss(tf.eye(4)), 0);
    expectClose(
      orthogonalityLoss(
        tf.tensor2d([
          [1, 2],
          [1, 2],
          [1, 2],
          [1, 2],
        ]),
      ),
      0.75,
    );
  });

  it('passes a gradient check', () => {
    checkGradients((codes) => orthogonalityLoss(codes as tf.Tensor2D), [x()]);
  });
});
