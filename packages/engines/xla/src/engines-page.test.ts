/** The programs that docs/engines.md shows are the ones that the engine writes. */
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { compile, scope, tf, useEngine } from '@tesserae/tensor';
import { beforeAll, describe, expect, test, vi } from 'vitest';
import type { XlaBackend } from './backend.ts';
import { xla } from './provider.ts';
import { xlaAvailable } from './testing/xla-available.ts';

const page = readFileSync(join(import.meta.dirname, '../../../../docs/engines.md'), 'utf8');

/** The block after `<!-- program: NAME -->`. */
function shown(name: string): string {
  const block = new RegExp(`<!-- program: ${name} -->\\s+\`\`\`mlir\\n([^]*?)\`\`\``).exec(page)?.[1];
  if (block === undefined) throw new Error(`docs/engines.md has no program '${name}'.`);
  return block;
}

describe.skipIf(!(await xlaAvailable()))('docs/engines.md', () => {
  beforeAll(() => useEngine('xla:cpu', [xla]));

  const written = (fn: () => void): string => {
    const { programs } = tf.backend() as XlaBackend;
    const compiling = vi.spyOn(programs, 'compileSteps');
    fn();
    const text = compiling.mock.calls.at(-1)?.[0];
    compiling.mockRestore();
    return String(text);
  };

  test('the example', () => {
    using _ = scope();
    const x = tf.tensor2d([1, 2, 3, 4, 5, 6], [2, 3]);
    const w = tf.tensor2d([1, -1, 0.5, 0, -1, 1], [3, 2]);
    const y = tf.tidy(() => tf.relu(tf.add(tf.matMul(x, w), [0.5, 0.5])));
    expect(written(() => void y.dataSync())).toBe(shown('example'));
  });

  test('the donation', () => {
    using _ = scope();
    const x = tf.ones([2, 3]);
    const w = tf.variable(tf.ones([3, 2]));
    const step = compile((input: tf.Tensor2D) => {
      w.assign(tf.mul(w, 0.5));
      return tf.relu(tf.matMul(input, w as tf.Tensor2D));
    });
    const text = written(() => void step(x as tf.Tensor2D));
    step.dispose();
    w.dispose();
    expect(text).toContain(shown('donation').trim());
  });
});
