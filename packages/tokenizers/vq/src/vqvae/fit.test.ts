import { AdamW } from '@tesserae/nn';
import { random, tf, useEngine } from '@tesserae/tensor';
import { fit } from '@tesserae/train';
import { beforeAll, expect, it } from 'vitest';
import { VQVAE } from './vqvae.ts';

beforeAll(async () => {
  await useEngine('wasm');
});

/** Flat squares of random colour and place on a white ground. */
function squares(count: number, side: number): tf.Tensor4D {
  return tf.tidy(() => {
    const [colours, corners] = [
      random.uniform(random.key(1), [count, 1, 1, 3], { min: -1, max: 1 }),
      random.randint(random.key(2), [2, count, 1, 1, 1], { min: 0, max: side / 2 }),
    ];
    const [top, left] = tf.unstack(corners) as [tf.Tensor, tf.Tensor]; // each [count, 1, 1, 1]
    const within = (at: tf.Tensor, start: tf.Tensor): tf.Tensor =>
      at.greaterEqual(start).logicalAnd(at.less(start.add(tf.scalar(side / 2, 'int32'))));
    const line = tf.range(0, side, 1, 'int32');
    const inside = within(line.reshape([1, side, 1, 1]), top).logicalAnd(within(line.reshape([1, 1, side, 1]), left));
    return tf.where(inside, colours, tf.scalar(1)) as tf.Tensor4D;
  });
}

it('learns pictures, places its codes, uses them, and keeps memory flat', async () => {
  using model = random.withKey(
    random.key(0),
    () =>
      new VQVAE({
        shape: [8, 8, 3],
        baseChannels: 8,
        depth: 1,
        codeDim: 8,
        groups: 2,
        quantizer: { kind: 'vq', codebookSize: 16, codebook: { kind: 'ema', decay: 0.9 } },
      }),
  );
  const batch = squares(16, 8);
  const before = model.loss(batch).terms['reconstruction']?.dataSync()[0] as number;
  const counts: number[] = [];
  const { history } = await fit({
    model,
    data: [batch],
    prepare: (images, key) => model.prepare(images, key),
    loss: (images, context) => {
      counts.push(tf.memory().numTensors);
      return model.loss(images, context);
    },
    optimizer: new AdamW({ learningRate: 3e-3 }),
    steps: 60,
    every: { log: 20 },
    log: () => {},
  });
  const after = model.loss(batch);
  expect(after.terms['reconstruction']?.dataSync()[0]).toBeLessThan(before / 5);
  expect(after.terms['usage']?.dataSync()[0]).toBeGreaterThan(0.4);
  expect(history.at(-1)?.terms).toHaveProperty('commitment');
  expect(history.at(-1)?.terms).toHaveProperty('revived');
  // `fit` keeps a step's figures until the next log line, every 20 steps: compare at the same distance from one.
  expect(counts[50]).toBe(counts[30]);
});
