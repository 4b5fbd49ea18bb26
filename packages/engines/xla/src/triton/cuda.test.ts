/** The own kernels as engines use them: each op on `xla:cuda`, eagerly and compiled, against the plain CPU engine. */
import { compile, scope, useEngine, withPrecision } from '@tesserae/tensor';
import type { tf } from '@tesserae/tensor';
import { expectClose } from '@tesserae/tensor/testing';
import { beforeAll, describe, test } from 'vitest';
import { xla } from '../provider.ts';
import { tensorOf } from '../testing/specimens.ts';
import { engineCases } from './testing/engine-cases.ts';

const probe = await xla.probe('xla:cuda');
if (!probe.available) process.stderr.write(`skipped: xla:cuda is not available, ${probe.reason}\n`);

describe.skipIf(!probe.available)('own kernels on CUDA', { tags: ['gpu'] }, () => {
  const expected: Float32Array[][] = [];
  beforeAll(async () => {
    await useEngine('cpu');
    for (const { inputs, run } of engineCases) {
      using _ = scope();
      expected.push(run(inputs.map(tensorOf)).map((result) => result.dataSync<'float32'>().slice()));
    }
    await useEngine('xla:cuda', [xla]);
  });

  test.each(engineCases.map((one, i) => [one.name, i] as const))('%s', (_, i) => {
    using __ = scope();
    const { inputs, run } = engineCases[i] as (typeof engineCases)[number];
    const wanted = expected[i] as Float32Array[];
    const tensors = inputs.map(tensorOf);
    using program = compile((...xs: tf.Tensor[]) => run(xs));
    withPrecision('float32', () => {
      for (const results of [run(tensors), program(...tensors)])
        results.forEach((result, k) => {
          expectClose(result.dataSync<'float32'>(), wanted[k] as Float32Array, { rtol: 1e-4, atol: 1e-4 });
        });
    });
  });
});
