/**
 * A program of the fuzz tests as data: steps that make values, read them and free them, and its interpreter.
 *
 * Steps name values by number, so that steps can be left out: what needs them goes with them (`without`).
 */
import { tf } from '@tesserae/tensor';
import { operations } from './operations.ts';

/** What is known of a value before anything runs. */
export interface Kind {
  readonly shape: readonly number[];
  readonly dtype: 'float32' | 'int32' | 'bool';
  /** No value is larger than this. */
  readonly bound: number;
  /**
   * Binary digits after the point, if every value is such a fraction exactly, so that no order of adding can change it;
   * undefined if values are rounded. Only exact values may be compared, rounded or sorted: elsewhere the last digit of
   * one engine would decide.
   */
  readonly digits: number | undefined;
}

/** One step. */
export type Step =
  | { readonly do: 'input'; readonly id: number; readonly kind: Kind; readonly values: readonly number[] }
  | {
      readonly do: 'op';
      readonly id: number;
      readonly kind: Kind;
      readonly name: string;
      readonly of: readonly number[];
      readonly settings: Readonly<Record<string, unknown>>;
      /** Computed inside a `tidy` that also makes what nobody needs. */
      readonly tidy: boolean;
    }
  | { readonly do: 'read'; readonly id: number }
  | { readonly do: 'dispose'; readonly id: number };

/** See the file header. */
export type Program = readonly Step[];

/** What a program showed: its reads, and in the end every value that was left. */
export interface Reading {
  readonly id: number;
  readonly kind: Kind;
  readonly shape: readonly number[];
  readonly dtype: string;
  readonly values: ArrayLike<number>;
}

/**
 * Runs a program on the engine in use. It stops before each read, so that several can be advanced together and what they
 * recorded is compiled as one program.
 */
function* interpret(program: Program): Generator<undefined, Reading[]> {
  const values = new Map<number, { tensor: tf.Tensor; kind: Kind }>();
  const readings: Reading[] = [];
  const read = (id: number): void => {
    const { tensor, kind } = values.get(id)!;
    readings.push({ id, kind, shape: tensor.shape, dtype: tensor.dtype, values: tensor.dataSync<'float32'>().slice() });
  };
  for (const step of program) {
    if (step.do === 'input') {
      const { shape, dtype } = step.kind;
      values.set(step.id, { tensor: tf.tensor([...step.values], [...shape], dtype), kind: step.kind });
    } else if (step.do === 'op') {
      const inputs = step.of.map((id) => values.get(id)!.tensor);
      const run = (): tf.Tensor => operations[step.name]!.run(inputs, step.settings);
      const tensor = tf.tidy(() => {
        if (step.tidy) tf.square(tf.cast(inputs[0]!, 'float32'));
        return run();
      });
      values.set(step.id, { tensor, kind: step.kind });
    } else if (step.do === 'read') {
      yield;
      read(step.id);
    } else {
      values.get(step.id)!.tensor.dispose();
      values.delete(step.id);
    }
  }
  yield;
  for (const id of values.keys()) read(id);
  for (const { tensor } of values.values()) tensor.dispose();
  return readings;
}

/** Runs programs side by side, from read to read. */
export function runTogether(programs: readonly Program[]): Reading[][] {
  const results: Reading[][] = programs.map(() => []);
  let running = programs.map((program, at) => ({ at, steps: interpret(program) }));
  while (running.length > 0) {
    running = running.filter(({ at, steps }) => {
      const next = steps.next();
      if (next.done === true) results[at] = next.value;
      return next.done !== true;
    });
  }
  return results;
}

/** The program without a step and all that needs it. */
function without(program: Program, at: number): Program {
  const removed = program[at] as Step;
  if (removed.do === 'read' || removed.do === 'dispose') return program.filter((_, i) => i !== at);
  const gone = new Set([removed.id]);
  return program.filter((step) => {
    if (step.do === 'op' && step.of.some((id) => gone.has(id))) gone.add(step.id);
    return !gone.has(step.id);
  });
}

/** The smallest program that still fails, found by leaving out steps as long as any can go. */
export async function shrink(program: Program, fails: (program: Program) => Promise<boolean>): Promise<Program> {
  let smallest = program;
  for (let again = true; again;) {
    again = false;
    for (let at = smallest.length - 1; at >= 0; at--) {
      const candidate = without(smallest, at);
      if (candidate.length > 0 && (await fails(candidate))) {
        smallest = candidate;
        again = true;
        at = Math.min(at, smallest.length);
      }
    }
  }
  return smallest;
}

/** A program as text, a line a step. */
export function describeProgram(program: Program): string {
  const kind = ({ dtype, shape }: Kind): string => `${dtype}[${shape.join(', ')}]`;
  return program
    .map((step) => {
      if (step.do === 'input') return `v${step.id} = ${kind(step.kind)} [${step.values.join(', ')}]`;
      if (step.do !== 'op') return `${step.do} v${step.id}`;
      const call = `${step.name}(${step.of.map((id) => `v${id}`).join(', ')}) ${JSON.stringify(step.settings)}`;
      return `v${step.id} = ${call}: ${kind(step.kind)}${step.tidy ? ' in tidy' : ''}`;
    })
    .join('\n');
}
