/**
 * Random programs against the plain CPU backend: operations, shapes, dtypes, frees, `tidy`, gradients, and reads at random
 * places, which decide what is compiled together. A failing seed prints the smallest program that still fails.
 *
 * Compiling is nearly all of the time, so programs advance side by side (what a batch recorded between two reads is
 * compiled as one program), and XLA compiles quickly rather than well unless XLA_FLAGS is set, to nothing or otherwise.
 * TESSERAE_FUZZ=2000 sets how many programs, TESSERAE_FUZZ_SEED the first seed.
 */
import { tf, useEngine } from '@tesserae/tensor';
import { expect, test } from 'vitest';
import { xlaProvider } from './provider.ts';
import { generate } from './testing/fuzz/generate.ts';
import { describeProgram, runTogether, shrink } from './testing/fuzz/program.ts';
import type { Program, Reading } from './testing/fuzz/program.ts';
import { xlaAvailable } from './testing/xla-available.ts';

const programs = Number(process.env['TESSERAE_FUZZ'] ?? 300);
// Read when the plugin is opened.
process.env['XLA_FLAGS'] ??= '--xla_backend_optimization_level=0 --xla_llvm_disable_expensive_passes=true';
const firstSeed = Number(process.env['TESSERAE_FUZZ_SEED'] ?? 0);
const batch = 25;
const provider = xlaProvider({ programCache: false });

const on = async <R>(engine: string, fn: () => R): Promise<R> => {
  await useEngine(engine, [provider]);
  return fn();
};

/** Where two runs of a program differ. */
function difference(actual: readonly Reading[], expected: readonly Reading[]): string | undefined {
  if (actual.length !== expected.length) return `${actual.length} readings instead of ${expected.length}`;
  for (const [i, wanted] of expected.entries()) {
    const got = actual[i]!;
    const { kind, shape, dtype, values, id } = wanted;
    const of = `v${id}: `;
    if (got.dtype !== dtype || !tf.util.arraysEqual([...got.shape], [...shape]))
      return `${of}${got.dtype}[${got.shape}] instead of ${dtype}[${shape}]`;
    // The generator's own idea of the shape is checked too, or later steps would not be what they say.
    if (kind.dtype !== dtype || !tf.util.arraysEqual([...kind.shape], [...shape]))
      return `${of}internal: planned as ${kind.dtype}[${kind.shape}], but ${dtype}[${shape}] on cpu`;
    for (let at = 0; at < values.length; at++) {
      const [a, e] = [got.values[at]!, values[at]!];
      const tolerance = kind.digits === undefined ? 1e-4 + 1e-4 * Math.abs(e) + 1e-6 * kind.bound : 0;
      if (!(Math.abs(a - e) <= tolerance)) return `${of}element ${at} is ${a} instead of ${e}`;
    }
  }
  return undefined;
}

/** What a program gives, or that it throws. */
function attempt(program: Program): Reading[] | string {
  const before = tf.memory().numTensors;
  try {
    return runTogether([program])[0]!;
  } catch (error) {
    tf.engine().disposeVariables();
    return `${error instanceof Error ? error.message : String(error)} (${tf.memory().numTensors - before} tensors left)`;
  }
}

test.skipIf(!(await xlaAvailable()))(
  `${programs} random programs agree`,
  { tags: ['slow'], timeout: 3_600_000 },
  async () => {
    for (let from = firstSeed; from < firstSeed + programs; from += batch) {
      const seeds = Array.from({ length: Math.min(batch, firstSeed + programs - from) }, (_, i) => from + i);
      const list = seeds.map(generate);
      const expected = await on('cpu', () => runTogether(list));
      const start = tf.memory().numTensors;
      let actual: Reading[][] | undefined;
      let thrown = '';
      try {
        actual = await on('xla:cpu', () => runTogether(list));
        expect(tf.memory().numTensors).toBe(start);
      } catch (error) {
        thrown = error instanceof Error ? error.message : String(error);
      }
      const wrong = seeds.filter((_, i) => actual === undefined || difference(actual[i]!, expected[i]!) !== undefined);
      if (wrong.length > 0) throw new Error(await explain(wrong, thrown));
    }
  },
);

/** The first of these seeds that fails by itself, with its smallest program. */
async function explain(seeds: readonly number[], thrown: string): Promise<string> {
  for (const seed of seeds) {
    const why = async (program: Program): Promise<string | undefined> => {
      const expected = await on('cpu', () => attempt(program));
      const actual = await on('xla:cpu', () => attempt(program));
      if (typeof expected === 'string') return typeof actual === 'string' ? undefined : `cpu throws: ${expected}`;
      return typeof actual === 'string' ? actual : difference(actual, expected);
    };
    const program = generate(seed);
    if ((await why(program)) === undefined) continue;
    const smallest = await shrink(program, async (candidate) => (await why(candidate)) !== undefined);
    return `seed ${seed}: ${await why(smallest)}\n${describeProgram(smallest)}`;
  }
  return `seeds ${seeds.join(', ')} fail together and not alone: ${thrown}`;
}
