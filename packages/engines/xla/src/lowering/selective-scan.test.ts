/** The chunked selective scan against the composed one, which holds the states of all steps, on TensorFlow.js's plain CPU backend. */
import { compile, ops, random, scope, tf, useEngine } from '@tesserae/tensor';
import { checkGradients, expectClose } from '@tesserae/tensor/testing';
import { beforeAll, describe, expect, test } from 'vitest';
import { xla } from '../provider.ts';
import { largestTensor } from '../testing/largest-tensor.ts';
import { xlaAvailable } from '../testing/xla-available.ts';

type Inputs = [x: tf.Tensor, delta: tf.Tensor, a: tf.Tensor, b: tf.Tensor, c: tf.Tensor, skip: tf.Tensor];

function inputsOf(batch: number, time: number, channels: number, states: number): Inputs {
  const normal = (seed: number, ...shape: number[]): tf.Tensor => random.normal(random.key(seed), shape);
  return [
    normal(1, batch, time, channels),
    tf.softplus(normal(2, batch, time, channels)),
    tf.neg(tf.exp(normal(3, channels, states))),
    normal(4, batch, time, states),
    normal(5, batch, time, states),
    normal(6, channels),
  ];
}

const scan = (...args: tf.Tensor[]): tf.Tensor => {
  const [x, delta, a, b, c, skip] = args as Inputs;
  return ops.selectiveScan({ x, delta, a, b, c, skip });
};

describe.skipIf(!(await xlaAvailable()))('SelectiveScan', () => {
  beforeAll(async () => {
    await useEngine('xla:cpu', [xla]);
  });

  test.each([
    [1, 1, 1, 1],
    [2, 64, 3, 4],
    [3, 79, 5, 2], // a second chunk that is not whole
  ])('batch %i, %i steps, %i channels, %i states', async (...sizes) => {
    const values = async (engine: string): Promise<Float32Array[]> => {
      await useEngine(engine, [xla]);
      using _ = scope();
      const inputs = inputsOf(...sizes);
      const dY = random.normal(random.key(7), (inputs[0] as tf.Tensor).shape);
      using program = compile((...args: tf.Tensor[]) => [scan(...args), ...tf.grads(scan)(args, dY)]);
      return program(...inputs).map((x) => x.dataSync<'float32'>().slice());
    };
    const expected = await values('cpu');
    const actual = await values('xla:cpu');
    actual.forEach((x, i) => expectClose(x, expected[i] as Float32Array, { rtol: 2e-4, atol: 2e-4 }));
  });

  test('has second derivatives', () => {
    using _ = scope();
    const [x, ...rest] = inputsOf(1, 3, 2, 2);
    const slope = (v: tf.Tensor): tf.Tensor => tf.grad((w: tf.Tensor) => tf.sum(tf.square(scan(w, ...rest))))(v);
    checkGradients(slope, [x], { elements: 3 });
  });

  test('keeps the states of one chunk, not of all steps', () => {
    using _ = scope();
    const [batch, time, channels, states] = [2, 4096, 32, 16];
    const largest = largestTensor(() => {
      using program = compile((...args: tf.Tensor[]) => tf.grads(scan)(args));
      program(...inputsOf(batch, time, channels, states));
    });
    expect(largest).toBe(batch * time * channels);
  });
});
