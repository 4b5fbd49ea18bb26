/** The checks of `checkNumerics` inside a compiled program: one bit an op, all in one more result. */
import { NumericsError } from '@tesserae/tensor';
import { binary, compare, concatenate, constant, reduce, reshape, unary } from './graph/hlo.ts';
import type { Node } from './graph/node.ts';
import { type Origin } from './origin.ts';

interface Flags {
  readonly nan: Node;
  readonly infinite: Node;
}

/** The checks of one trace. Rule and blame as in @tesserae/tensor's `check-numerics.ts`. */
export class NumericsChecks {
  /** The op of each bit. */
  readonly origins: Origin[] = [];
  readonly #bits: Node[] = [];
  readonly #known = new Map<Node, Flags>();

  /** Adds a kernel call. */
  add(origin: Origin, inputs: readonly Node[], outputs: readonly Node[]): void {
    if (inputs.length === 0) return;
    for (const output of outputs) {
      if (!isFloat(output) || this.#known.has(output)) continue;
      const flags = flagsOf(output);
      this.#known.set(output, flags);
      const before = inputs.filter(isFloat).map((input) => this.#before(input));
      const nan = any(before.map((input) => input.nan));
      const infinite = any(before.flatMap((input) => [input.nan, input.infinite]));
      const bad = binary('or', butNot(flags.nan, nan), butNot(flags.infinite, infinite));
      this.origins.push(origin);
      this.#bits.push(reshape(bad, [1]));
    }
  }

  /** One bit for each of `origins`; undefined without any. */
  result(): Node | undefined {
    return this.#bits.length === 0 ? undefined : concatenate(this.#bits, 0);
  }

  #before(input: Node): Flags {
    let flags = this.#known.get(input);
    if (flags === undefined) {
      const own = flagsOf(input);
      // What comes in from outside counts as free of NaN, so that the op that takes one in is named.
      flags = input.operation === undefined ? { nan: constant(0, 'i1'), infinite: own.infinite } : own;
      this.#known.set(input, flags);
    }
    return flags;
  }
}

/** Throws for the first bit that is set. */
export function throwFirst(bits: ArrayLike<number>, origins: readonly Origin[], program: string): void {
  for (let i = 0; i < bits.length; i++) {
    if (bits[i] === 0) continue;
    const origin = origins[i] as Origin;
    throw new NumericsError(origin.kernel, origin.toString(), 'NaN or an infinity', ` in '${program}'`);
  }
}

const isFloat = ({ type }: Node): boolean => type === 'f32' || type === 'bf16' || type === 'f16';

function flagsOf(x: Node): Flags {
  const all = x.shape.map((_, i) => i);
  const infinity = constant(Infinity, x.type, x.shape);
  return {
    nan: reduce('or', compare('NE', x, x), 0, all),
    infinite: reduce('or', compare('EQ', unary('abs', x), infinity), 0, all),
  };
}

const any = (flags: readonly Node[]): Node => flags.reduce((a, b) => binary('or', a, b), constant(0, 'i1'));
const butNot = (a: Node, b: Node): Node => binary('and', a, unary('not', b));
