/** A random program from a seed: inputs of several dtypes and shapes, operations on them, reads and frees in between. */
import { Dice } from './dice.ts';
import { operations } from './operations.ts';
import type { Plan } from './operations.ts';
import type { Kind, Program, Step } from './program.ts';

const names = Object.keys(operations);
const inputDigits = 2;

/** The program of a seed; the same on every machine. */
export function generate(seed: number): Program {
  const dice = new Dice(seed);
  const steps: Step[] = [];
  const live = new Map<number, Kind>();
  let id = 0;

  // Shapes are parts of one, so that many pairs broadcast.
  const whole = Array.from({ length: 4 }, () => 1 + dice.below(4));
  const input = (): void => {
    const rank = dice.below(5);
    const shape = whole.slice(4 - rank).map((length) => (dice.chance(0.2) ? 1 : length));
    const dtype = dice.chance(0.7) ? 'float32' : dice.one(['int32', 'bool'] as const);
    const bound = dtype === 'bool' ? 1 : 4;
    const kind: Kind = { shape, dtype, bound, digits: dtype === 'float32' ? inputDigits : 0 };
    const scale = dtype === 'float32' ? 2 ** inputDigits : 1;
    const value = (): number =>
      dtype === 'bool' ? dice.below(2) : (dice.below(2 * bound * scale + 1) - bound * scale) / scale;
    const values = Array.from({ length: shape.reduce((product, length) => product * length, 1) }, value);
    live.set(id, kind);
    steps.push({ do: 'input', id: id++, kind, values });
  };
  const operation = (): void => {
    const name = dice.one(names);
    const { inputs, plan } = operations[name]!;
    // Recent values more often, so that programs grow deep.
    const ids = [...live.keys()];
    let of: number[] = [];
    let planned: Plan | undefined;
    // Those that take several values rarely find fitting ones at once.
    for (let attempt = 0; attempt < 10 && planned === undefined; attempt++) {
      of = Array.from({ length: inputs }, () => dice.one(dice.chance(0.5) ? ids.slice(-3) : ids));
      planned = plan(
        dice,
        of.map((at) => live.get(at)!),
      );
    }
    if (planned === undefined) return;
    live.set(id, planned.kind);
    const { kind, settings = {} } = planned;
    steps.push({ do: 'op', id: id++, kind, name, of, settings, tidy: dice.chance(0.2) });
  };

  for (let i = 0; i < 3; i++) input();
  const length = 10 + dice.below(40);
  for (let i = 0; i < length; i++) {
    const roll = dice.fraction();
    if (roll < 0.05) input();
    else if (roll < 0.08) steps.push({ do: 'read', id: dice.one([...live.keys()]) });
    else if (roll < 0.2 && live.size > 3) {
      const gone = dice.one([...live.keys()]);
      live.delete(gone);
      steps.push({ do: 'dispose', id: gone });
    } else operation();
  }
  return steps;
}
