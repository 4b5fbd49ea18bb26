/** Both forms of the recurrence against a loop in double precision; ops and gradients are in tensor-ops.test.ts. */
import { random, scope, tf, useEngine } from '@tesserae/tensor';
import { expectClose } from '@tesserae/tensor/testing';
import { beforeAll, describe, test } from 'vitest';
import type { XlaBackend } from '../backend.ts';
import { xla } from '../provider.ts';
import { xlaAvailable } from '../testing/xla-available.ts';
import { recurDoubling, recurStepwise } from './linear-recurrence.ts';

describe.skipIf(!(await xlaAvailable()))('LinearRecurrence', () => {
  beforeAll(async () => {
    await useEngine('xla:cpu', [xla]);
  });

  test.each([1, 2, 13, 64])('%i steps', (time) => {
    using _ = scope();
    const backend = tf.backend() as XlaBackend;
    const shape = [2, time, 3];
    const [decay, input] = [random.normal(random.key(1), shape), random.normal(random.key(2), shape)];
    const [a, b] = [decay.dataSync<'float32'>(), input.dataSync<'float32'>()];
    for (const reverse of [false, true]) {
      const expected = new Float64Array(b.length);
      for (let outer = 0; outer < 2; outer++) {
        for (let turn = 0; turn < time; turn++) {
          const t = reverse ? time - 1 - turn : turn;
          for (let d = 0; d < 3; d++) {
            const at = (outer * time + t) * 3 + d;
            const before = turn === 0 ? 0 : (expected[at + (reverse ? 3 : -3)] as number);
            expected[at] = (a[at] as number) * before + (b[at] as number);
          }
        }
      }
      for (const recur of [recurStepwise, recurDoubling]) {
        const { dataId, dtype } = backend.output(recur(backend.nodeOf(decay), backend.nodeOf(input), reverse));
        const actual = tf.engine().makeTensorFromDataId(dataId, shape, dtype, backend);
        expectClose(actual, expected, { rtol: 1e-3, atol: 1e-3 });
      }
    }
  });
});
