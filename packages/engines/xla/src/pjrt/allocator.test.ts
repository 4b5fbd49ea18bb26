/** Programs with large temporary values do not fault their memory in again at each run. */
import { compile, random, tf, tree, useEngine } from '@tesserae/tensor';
import { expect, test } from 'vitest';
import type { XlaBackend } from '../backend.ts';
import { xla } from '../provider.ts';
import { xlaAvailable } from '../testing/xla-available.ts';

/** The first PJRT API whose CPU client can run programs on the calling thread. */
const inlineSince = 115;

test.skipIf(!(await xlaAvailable()))('temporary memory is kept from run to run', async (context) => {
  await useEngine('xla:cpu', [xla]);
  const { client } = tf.backend() as XlaBackend;
  if (client.apiVersion[1] < inlineSince) context.skip('the plugin is older than PJRT API 0.115');
  const x = random.normal(random.key(0), [4200, 8]);
  // The product, 70 MB, has two readers, so that it is written out.
  const program = compile((a: tf.Tensor) => {
    const product = tf.matMul(a, a, false, true);
    return { sums: tf.sum(product, 0), largest: tf.max(product, 1) };
  });
  const run = (): void => {
    const { sums, largest } = program(x);
    expect([sums.dataSync().length, largest.dataSync().length]).toEqual([4200, 4200]);
    tree.dispose([sums, largest]);
  };
  const runs = 4;
  for (let i = 0; i < 3; i++) run();
  const before = process.resourceUsage().minorPageFault;
  for (let i = 0; i < runs; i++) run();
  const faults = (process.resourceUsage().minorPageFault - before) / runs;
  // 70 MB are 17,000 pages of 4 KiB.
  expect(faults).toBeLessThan(4000);
  program.dispose();
  x.dispose();
});
