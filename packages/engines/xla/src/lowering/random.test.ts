/** Random kernels against the host's Philox, bit for bit, eagerly and compiled. */
import { compile, random, scope, tf, useEngine } from '@tesserae/tensor';
import { randomCases } from '@tesserae/tensor/testing';
import { beforeAll, describe, expect, test } from 'vitest';
import { xla } from '../provider.ts';
import { xlaAvailable } from '../testing/xla-available.ts';

describe.skipIf(!(await xlaAvailable()))('random numbers', () => {
  beforeAll(async () => {
    await useEngine('xla:cpu', [xla]);
  });

  for (const { name, run } of randomCases) test(name, run);

  test('the same in a compiled function', () => {
    using _ = scope();
    using draw = compile((key: tf.Tensor) => ({
      bits: random.bits(key as random.Key, [3, 7]),
      uniform: random.uniform(key as random.Key, [13]),
      normal: random.normal(key as random.Key, [5, 5]),
      folded: random.foldIn(key as random.Key, tf.scalar(9, 'int32')),
      permutation: random.permutation(key as random.Key, 20),
    }));
    const key = random.key(42);
    const drawn = draw(key);
    expect([...drawn.bits.dataSync()]).toEqual([...random.philoxBits(42, 0, 0, 21)]);
    expect([...drawn.uniform.dataSync()]).toEqual([...random.philoxUniform(42, 0, 0, 13)]);
    expect([...drawn.folded.dataSync()]).toEqual([...random.foldIn(key, 9).dataSync()]);
    expect([...drawn.permutation.dataSync()]).toEqual([...random.permutation(key, 20).dataSync()]);
    const eager = random.normal(key, [5, 5]).dataSync();
    drawn.normal.dataSync().forEach((value, i) => expect(value).toBeCloseTo(eager[i] as number, 5));
  });

  test('other keys are inputs, not other programs', () => {
    using _ = scope();
    using draw = compile((key: tf.Tensor) => random.uniform(key as random.Key, [4]));
    const values = [1, 2, 3].map((seed) => [...draw(random.key(seed)).dataSync()]);
    expect(draw.traces).toBe(1);
    expect(new Set(values.flat()).size).toBe(12);
  });
});
