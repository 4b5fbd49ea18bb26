import { beforeAll, describe, expect, test } from 'vitest';
import { tf, useEngine } from '../index.ts';

describe.each(['cpu', 'wasm'])('%s', (engine) => {
  beforeAll(() => useEngine(engine));

  test('negative axes count from the end', () => {
    tf.tidy(() => {
      const x = tf.tensor3d([1, 2, 3, 4, 5, 6, 7, 8], [2, 2, 2]);
      expect([...tf.cumsum(x, -1).dataSync()]).toEqual([1, 3, 3, 7, 5, 11, 7, 15]);
      expect([...tf.cumsum(x, -2).dataSync()]).toEqual([...tf.cumsum(x, 1).dataSync()]);
      expect([...tf.cumprod(x, -1, true).dataSync()]).toEqual([1, 1, 1, 3, 1, 5, 1, 7]);
      expect([
        ...tf
          .cumsum(
            [
              [1, 2],
              [3, 4],
            ],
            -1,
            false,
            true,
          )
          .dataSync(),
      ]).toEqual([3, 2, 7, 4]);
    });
  });
});
