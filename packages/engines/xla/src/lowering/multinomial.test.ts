/** Multinomial draws against the plain CPU backend's: the same seed, the same samples. */
import { compile, scope, tf, useEngine } from '@tesserae/tensor';
import { describe, expect, test } from 'vitest';
import type { XlaBackend } from '../backend.ts';
import { xla } from '../provider.ts';
import { xlaAvailable } from '../testing/xla-available.ts';

const logits = [
  [0.1, 2, -1, 0.5, 0],
  [-30, 1, 1, 1, -30],
];

describe.skipIf(!(await xlaAvailable()))('multinomial', () => {
  async function draw(engine: string, normalized: boolean): Promise<number[]> {
    await useEngine(engine, [xla]);
    using _ = scope();
    const rows = normalized ? tf.softmax(tf.tensor2d(logits)) : tf.tensor2d(logits);
    return [...tf.multinomial(rows as tf.Tensor2D, 2000, 7, normalized).dataSync()];
  }

  test.each([false, true])('normalized: %s', async (normalized) => {
    const expected = await draw('cpu', normalized);
    const drawn = await draw('xla:cpu', normalized);
    // A sum may be rounded another way where a draw lies within a rounding of it.
    expect(drawn.filter((sample, i) => sample !== expected[i]).length).toBeLessThan(3);
    expect(drawn.slice(2000).every((sample) => sample >= 1 && sample <= 3)).toBe(true);
    expect((tf.backend() as XlaBackend).hostFallbacks.get('Multinomial')).toBeUndefined();
  });

  test('leaves no data behind but its result', async () => {
    await useEngine('xla:cpu', [xla]);
    using _ = scope();
    const rows = tf.tensor2d(logits);
    const before = tf.backend().numDataIds();
    tf.multinomial(rows, 2000);
    expect(tf.backend().numDataIds()).toBe(before + 1);
  });

  test('draws anew without a seed, leaves nothing, and refuses to be compiled', async () => {
    await useEngine('xla:cpu', [xla]);
    const before = tf.memory().numTensors;
    tf.tidy(() => {
      const rows = tf.tensor2d(logits);
      const [a, b] = [tf.multinomial(rows, 100).dataSync(), tf.multinomial(rows, 100).dataSync()];
      expect([...a]).not.toEqual([...b]);
      using compiled = compile((x: tf.Tensor2D) => tf.multinomial(x, 3, 1));
      expect(() => compiled(rows)).toThrow('Use random.categorical');
    });
    expect(tf.memory().numTensors).toBe(before);
  });
});
