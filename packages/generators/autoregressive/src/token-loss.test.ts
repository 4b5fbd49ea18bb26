import { random, scope, tf, useEngine } from '@tesserae/tensor';
import { expectClose } from '@tesserae/tensor/testing';
import { beforeAll, expect, test } from 'vitest';
import { tokenLoss } from './token-loss.ts';

beforeAll(async () => {
  await useEngine('cpu');
});

test('is the same with and without the logits in memory, and so is its gradient', () => {
  using _ = scope();
  const features = random.normal(random.key(1), [2, 3, 4]) as tf.Tensor3D;
  const weight = random.normal(random.key(2), [4, 5]) as tf.Tensor2D;
  const tokens = tf.tensor2d([0, 4, 2, 1, 3, 3], [2, 3], 'int32');
  const evaluate = (limit: number): tf.Tensor[] => {
    const loss = (f: tf.Tensor, w: tf.Tensor): tf.Tensor =>
      tokenLoss(f as tf.Tensor3D, w as tf.Tensor2D, tokens, limit);
    return [loss(features, weight), ...tf.grads(loss)([features, weight])];
  };
  const [kept, fused] = [evaluate(Infinity), evaluate(0)];
  expect(kept.map(({ shape }) => shape)).toEqual([
    [2, 3],
    [2, 3, 4],
    [4, 5],
  ]);
  kept.forEach((x, i) => expectClose(fused[i] as tf.Tensor, x));
});
