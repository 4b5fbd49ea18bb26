import { tf, useEngine } from '@tesserae/tensor';
import { expectNoLeak } from '@tesserae/tensor/testing';
import { Linear } from '@tesserae/nn';
import { beforeAll, expect, it } from 'vitest';
import { initialised, integers, uniform, uniformValues } from './inputs.ts';

beforeAll(async () => {
  await useEngine('cpu');
});

it('draws the numbers that python/inputs.py draws', () => {
  // numpy 2.4.6: inputs.uniform("w", (5,), 0.5), inputs.integers("ids", (6,), 1024)
  expect([...uniformValues('w', 5, 0.5)]).toEqual([
    -0.10387074947357178, 0.28932952880859375, -0.21877062320709229, -0.4533131718635559, -0.12224841117858887,
  ]);
  expect([...integers('ids', [6], 1024).dataSync()]).toEqual([265, 907, 838, 283, 119, 338]);
});

it('gives a module the initial values of the rule', () => {
  expectNoLeak(() => {
    using layer = initialised(() => new Linear({ in: 3, out: 2 }));
    const expected = uniform('weight', [3, 2], 1);
    expect([...layer.weight.dataSync()]).toEqual([...expected.dataSync()]);
    expect([...layer.bias!.dataSync()]).toEqual([0, 0]);
    tf.dispose(expected);
  });
});
