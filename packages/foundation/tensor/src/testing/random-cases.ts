/** Random numbers that every engine must reproduce: recorded on `cpu`; a change here changes every seeded run. */
import * as tf from '@tensorflow/tfjs-core';
import * as random from '../random/index.ts';
import { expectClose } from './expect-close.ts';
import type { OpCase } from './op-cases.ts';

const exact = { rtol: 0, atol: 0 };

const cases: Record<string, (key: random.Key) => void> = {
  'Random123 known answer'() {
    const zero = tf.tensor1d([0, 0], 'int32');
    const words = Int32Array.of(0x6627e8d5, 0xe169c58d, 0xbc57ac4c, 0x9b00dbd8);
    expectClose(random.bits(zero, [4]), words, exact);
  },
  bits(key) {
    expectClose(random.bits(key, [3]), [-1662324653, 2012563771, 314527917], exact);
    expectClose(random.bits(key, [10_000]), random.philoxBits(42, 0, 0, 10_000), exact);
    expectClose(random.bits(random.key(-5), [2, 3]), random.philoxBits(-5, -1, 0, 6), exact);
  },
  uniform(key) {
    expectClose(random.uniform(key, [10_001]), random.philoxUniform(42, 0, 0, 10_001), exact);
  },
  'split and foldIn'(key) {
    const block = new Int32Array(4);
    random.philoxBlock(2, 0, 0, random.splitStream, 42, 0, block, 0);
    expectClose(random.split(key, 3)[2] as tf.Tensor, block.slice(0, 2), exact);
    random.philoxBlock(9, 0, 0, random.foldStream, 42, 0, block, 0);
    expectClose(random.foldIn(key, 9), block.slice(0, 2), exact);
    expectClose(random.foldIn(key, tf.scalar(9, 'int32')), block.slice(0, 2), exact);
  },
  normal(key) {
    const expected = [
      -0.7445719838142395, 1.1211224794387817, -0.1815483272075653, 1.1593387126922607, -0.08668455481529236,
    ];
    expectClose(random.normal(key, [5]), expected, { rtol: 1e-6, atol: 1e-6 });
  },
  'permutation, categorical, randint'(key) {
    expectClose(random.permutation(key, 10), [1, 7, 3, 5, 2, 4, 8, 9, 0, 6], exact);
    expectClose(random.categorical(key, tf.zeros([10, 3])), [2, 2, 1, 1, 2, 1, 1, 2, 0, 0], exact);
    expectClose(random.randint(key, [6], { min: -2, max: 5 }), [2, 1, -2, 0, 4, 0], exact);
  },
};

/** The cases, for the engine in use; like {@link opCases}. */
export const randomCases: readonly OpCase[] = Object.entries(cases).map(([name, check]) => ({
  name,
  run: () => tf.tidy(() => void check(random.key(42))),
}));
