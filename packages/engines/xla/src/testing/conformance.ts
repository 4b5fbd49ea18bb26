/**
 * Every kernel against TensorFlow.js's plain CPU backend: a table of cases for each kernel, run eagerly and inside
 * `compile`.
 *
 * A program takes tens of milliseconds to compile, so all cases of a table are recorded first and read afterwards: one
 * program each way. Inputs are arguments of the compiled function, so that XLA cannot fold the kernel away.
 */
import { compile, scope, tf, useEngine } from '@tesserae/tensor';
import { expectClose } from '@tesserae/tensor/testing';
import { beforeAll, describe, expect, test } from 'vitest';
import type { Lowerings } from '../lowering/kernel.ts';
import { xla } from '../provider.ts';
import { tensorOf } from './specimens.ts';
import type { Specimen } from './specimens.ts';
import { xlaAvailable } from './xla-available.ts';

/** Named inputs, or a list for kernels that take one. */
type Inputs = Readonly<Record<string, Specimen>> | readonly Specimen[];

/** One call of a kernel. */
export interface KernelCase {
  readonly inputs: Inputs;
  readonly attributes: object;
  /** How close values must be. */
  readonly tolerance: { readonly rtol?: number; readonly atol?: number };
}

/** Cases by kernel. */
export type KernelTable = Readonly<Record<string, readonly KernelCase[]>>;

/** A case; tolerances default to those of `expectClose`. */
export function on(inputs: Inputs, attributes: object = {}, tolerance: KernelCase['tolerance'] = {}): KernelCase {
  return { inputs, attributes, tolerance };
}

interface Result {
  readonly dtype: tf.DataType;
  readonly shape: readonly number[];
  readonly values: ArrayLike<number>;
}

type Call = readonly [kernel: string, KernelCase];

function run([kernel, { inputs, attributes }]: Call, tensors: readonly tf.Tensor[]): tf.Tensor[] {
  const named = Array.isArray(inputs)
    ? tensors
    : Object.fromEntries(Object.keys(inputs).map((name, i) => [name, tensors[i]]));
  const result = tf.engine().runKernel(kernel, named as unknown as tf.NamedTensorMap, attributes as tf.NamedAttrMap) as
    tf.Tensor | tf.Tensor[];
  return Array.isArray(result) ? result : [result];
}

const specimens = ([, { inputs }]: Call): Specimen[] => Object.values(inputs) as Specimen[];

const read = (tensor: tf.Tensor): Result => ({
  dtype: tensor.dtype,
  shape: tensor.shape,
  values: tensor.dataSync<'float32'>().slice(),
});

/** Results of each call; `all` sees all calls at once, so that it can make one program of them. */
function results(calls: readonly Call[], all: (inputs: tf.Tensor[][]) => tf.Tensor[][]): Result[][] {
  using _ = scope();
  const inputs = calls.map((call) => specimens(call).map(tensorOf));
  return all(inputs).map((outputs) => outputs.map(read));
}

const eager =
  (calls: readonly Call[]) =>
  (inputs: tf.Tensor[][]): tf.Tensor[][] =>
    calls.map((call, i) => run(call, inputs[i] as tf.Tensor[]));

function compiled(calls: readonly Call[]): (inputs: tf.Tensor[][]) => tf.Tensor[][] {
  return (inputs) => {
    using program = compile(eager(calls), { name: 'conformance' });
    return program(inputs);
  };
}

/** The results, or for each call the error that it raised when it was run alone. */
function attempt(calls: readonly Call[], way: (calls: readonly Call[]) => (inputs: tf.Tensor[][]) => tf.Tensor[][]) {
  try {
    return results(calls, way(calls));
  } catch {
    return calls.map((call) => {
      try {
        return results([call], way([call]))[0] as Result[];
      } catch (error) {
        return error instanceof Error ? error : new Error(String(error));
      }
    });
  }
}

const describeInputs = ({ inputs, attributes }: KernelCase): string =>
  `${Object.entries(inputs)
    .map(([name, { dtype, shape }]) => `${name} ${dtype}[${shape.join(', ')}]`)
    .join(', ')} ${JSON.stringify(attributes)}`;

function compare(actual: readonly Result[], expected: readonly Result[], tolerance: KernelCase['tolerance']): void {
  expect(actual.map(({ dtype, shape }) => ({ dtype, shape }))).toEqual(
    expected.map(({ dtype, shape }) => ({ dtype, shape })),
  );
  actual.forEach(({ values }, i) => {
    const exact = expected[i]?.dtype !== 'float32' && expected[i]?.dtype !== 'complex64';
    expectClose(values as Float32Array, expected[i]?.values as Float32Array, exact ? { rtol: 0, atol: 0 } : tolerance);
  });
}

/** Declares the tests of a family: one a kernel, and one that no kernel is missing from the table. */
export async function conformance(name: string, lowerings: Lowerings, table: KernelTable): Promise<void> {
  const available = await xlaAvailable();
  const calls = Object.entries(table).flatMap(([kernel, cases]) => cases.map((one): Call => [kernel, one]));

  test(`${name}: every kernel has cases`, () => {
    const missing = Object.keys(lowerings).filter((kernel) => (table[kernel]?.length ?? 0) === 0);
    expect(missing).toEqual([]);
  });

  describe.skipIf(!available)(name, () => {
    let expected: (Result[] | Error)[];
    const actual: Record<string, (Result[] | Error)[]> = {};
    beforeAll(async () => {
      await useEngine('cpu');
      expected = attempt(calls, eager);
      await useEngine('xla:cpu', [xla]);
      actual['eager'] = attempt(calls, eager);
      actual['compiled'] = attempt(calls, compiled);
    }, 60_000);

    test.each(Object.keys(table))('%s', (kernel) => {
      const failures: string[] = [];
      calls.forEach(([owner, one], i) => {
        if (owner !== kernel) return;
        for (const [way, all] of Object.entries(actual)) {
          try {
            const [result, wanted] = [all[i], expected[i]];
            if (wanted instanceof Error) throw wanted;
            if (result instanceof Error) throw result;
            compare(result as Result[], wanted as Result[], one.tolerance);
          } catch (error) {
            failures.push(`${way}, ${describeInputs(one)}: ${error instanceof Error ? error.message : String(error)}`);
          }
        }
      });
      expect(failures).toEqual([]);
    });
  });
}
