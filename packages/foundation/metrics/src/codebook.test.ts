import { expectNoLeak } from '@tesserae/tensor/testing';
import { tf, useEngine } from '@tesserae/tensor';
import { beforeAll, describe, expect, test } from 'vitest';
import { codeCounts, codebookUsage, perplexity } from './codebook.ts';

describe.each(['cpu', 'wasm'])('on %s', (engine) => {
  beforeAll(async () => {
    await useEngine(engine);
  });

  test('counts how often each code occurs, over any shape of indices', () => {
    const counts = codeCounts(tf.tensor2d([0, 1, 0, 2], [2, 2], 'int32'), 4);
    expect([...counts.dataSync()]).toEqual([2, 1, 1, 0]);
  });

  test('perplexity of (.5, .25, .25, 0) is 2.828427, from probabilities, counts and indices alike', () => {
    const expected = 2.828427;
    expect(perplexity(tf.tensor1d([0.5, 0.25, 0.25, 0])).dataSync()[0]).toBeCloseTo(expected, 5);
    expect(perplexity(tf.tensor1d([200, 100, 100, 0])).dataSync()[0]).toBeCloseTo(expected, 5);
    expect(perplexity(tf.tensor1d([0, 1, 0, 2], 'int32'), 4).dataSync()[0]).toBeCloseTo(expected, 5);
  });

  test('perplexity lies between 1 and the codebook size', () => {
    expect(perplexity(tf.tensor1d([0, 7, 0])).dataSync()[0]).toBeCloseTo(1, 6);
    expect(perplexity(tf.ones([512])).dataSync()[0]).toBeCloseTo(512, 1);
    expect(perplexity(tf.zeros([8])).dataSync()[0]).toBeCloseTo(1, 6);
  });

  test('usage is the fraction of codes that occur', () => {
    expect(codebookUsage(tf.tensor1d([3, 3, 1], 'int32'), 4).dataSync()[0]).toBe(0.5);
  });

  test('refuses indices that are no integers and sizes that are none', () => {
    expect(() => codeCounts(tf.tensor1d([0, 1]), 2)).toThrow('codeCounts: indices must be int32, got float32');
    expect(() => codeCounts(tf.tensor1d([0, 1], 'int32'), 2.5)).toThrow('must be a positive integer, got 2.5');
  });

  test('leaves nothing behind', () => {
    const indices = tf.tensor1d([0, 1, 0, 2], 'int32');
    expectNoLeak(() => {
      codebookUsage(indices, 4).dispose();
      perplexity(indices, 4).dispose();
    });
  });
});
