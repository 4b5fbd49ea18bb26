/** Projective transforms against the plain CPU backend, which returns after the first image: batches are compared with images. */
import { scope, tf, useEngine } from '@tesserae/tensor';
import { expectClose } from '@tesserae/tensor/testing';
import { expect, test } from 'vitest';
import { xla } from '../provider.ts';
import { conformance, on } from '../testing/conformance.ts';
import { floats, given, integers } from '../testing/specimens.ts';
import { xlaAvailable } from '../testing/xla-available.ts';
import { transforms } from './transform.ts';

const identity = [1, 0, 0, 0, 1, 0, 0, 0];
const moved = [1, 0, -1.5, 0, 1, 2.25, 0, 0];
const turned = [0.8, -0.6, 1, 0.6, 0.8, -2, 0, 0];
const far = [3, 0, -11, 0, -3, 17, 0, 0];
/** The divisor is 0 at one pixel and negative beyond it. */
const vanishing = [1, 0.2, 0, 0.1, 1, 0.5, -0.5, 0];

const ways = (['nearest', 'bilinear'] as const).flatMap((interpolation) =>
  (['constant', 'reflect', 'wrap', 'nearest'] as const).map((fillMode) => ({ interpolation, fillMode, fillValue: -7 })),
);

await conformance('projective transforms', transforms, {
  Transform: [
    ...ways.flatMap((a) => [
      on({ image: floats(1, 5, 4, 3), transforms: given(moved, [1, 8]) }, { ...a, outputShape: null }),
      on({ image: floats(1, 5, 4, 3), transforms: given(turned, [1, 8]) }, { ...a, outputShape: null }),
      on({ image: floats(1, 3, 5, 1), transforms: given(far, [1, 8]) }, { ...a, outputShape: [6, 4] }),
    ]),
    on(
      { image: floats(1, 4, 4, 2), transforms: given(vanishing, [1, 8]) },
      { ...(ways[4] as object), outputShape: [4, 5] },
    ),
    on(
      { image: floats(1, 1, 1, 2), transforms: given(moved, [1, 8]) },
      { ...(ways[5] as object), outputShape: [3, 3] },
    ),
    on(
      { image: integers(0, 256, 1, 3, 3, 1), transforms: given(identity, [1, 8]) },
      { interpolation: 'nearest', fillMode: 'constant', fillValue: 3, outputShape: [4, 4] },
    ),
  ],
});

test.skipIf(!(await xlaAvailable()))('each image of a batch has its own transform, or all have one', async () => {
  await useEngine('xla:cpu', [xla]);
  using _ = scope();
  const images = tf.randomNormal([2, 5, 4, 3], 0, 1, 'float32', 3) as tf.Tensor4D;
  const [first, second] = tf.split(images, 2) as [tf.Tensor4D, tf.Tensor4D];
  const [a, b] = [tf.tensor2d(moved, [1, 8]), tf.tensor2d(turned, [1, 8])];
  const way = ['bilinear', 'reflect'] as const;
  const alone = (image: tf.Tensor4D, by: tf.Tensor2D): tf.Tensor4D => tf.image.transform(image, by, ...way);
  expectClose(tf.image.transform(images, tf.concat([a, b]), ...way), tf.concat([alone(first, a), alone(second, b)]));
  const shared = tf.image.transform(images, b, ...way);
  expectClose(shared, tf.concat([alone(first, b), alone(second, b)]));
  expect(shared.shape).toEqual([2, 5, 4, 3]);
});
