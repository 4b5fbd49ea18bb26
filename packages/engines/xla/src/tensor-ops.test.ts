/** The ops of @tesserae/tensor on xla:cpu: values and finite-difference gradients. */
import { useEngine } from '@tesserae/tensor';
import { expectNoLeak, opCases } from '@tesserae/tensor/testing';
import { beforeAll, describe, test } from 'vitest';
import { xla } from './provider.ts';
import { xlaAvailable } from './testing/xla-available.ts';

describe.skipIf(!(await xlaAvailable()))('ops of @tesserae/tensor', () => {
  beforeAll(async () => {
    await useEngine('xla:cpu', [xla]);
  });

  for (const { name, run } of opCases) test(name, () => expectNoLeak(run));
});
