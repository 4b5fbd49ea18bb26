/** A program of a few numbers, for tests: x ← x / 2 + w, from 1. */
import { tf } from '@tesserae/tensor';
import { uniform } from '../inputs.ts';
import { number, type Program, type ProgramEntry } from '../program.ts';

const program: Program = {
  cases: () => [
    { id: 'tiny.3', title: 'three numbers', params: { size: 3 }, tolerance: 1e-6 },
    { id: 'tiny.5', title: 'five numbers', params: { size: 5 }, tolerance: 1e-6 },
  ],
  build: (params) => {
    const size = number(params, 'size');
    const w = uniform('w', [size]);
    const x = tf.variable(tf.ones([size]));
    return {
      step: () => {
        tf.tidy(() => x.assign(tf.add(tf.div(x, 2), w)));
        return tf.clone(x);
      },
    };
  },
};

/** The list of programs that the tests' workers know. */
export const tinyPrograms: readonly ProgramEntry[] = [{ name: 'tiny', load: () => Promise.resolve({ program }) }];
