/** Einsum against the plain CPU backend. */
import { conformance, on } from '../testing/conformance.ts';
import { floats, integers } from '../testing/specimens.ts';
import type { Specimen } from '../testing/specimens.ts';
import { einsums } from './einsum.ts';

const sizes: Record<string, number> = { a: 2, b: 3, c: 4, d: 5, e: 1 };
const close = { rtol: 1e-4, atol: 1e-5 };

function operands(equation: string): Specimen[] {
  const labels = equation.split('->')[0]?.split(',') ?? [];
  return labels.map((term) => floats(...[...term].map((label) => sizes[label] as number)));
}

const equations = [
  'ab,bc->ac',
  'abc,abd->acd',
  'abc,dbc->ad',
  'abcd,bd->ca',
  'ab,cd->abcd',
  'abc,b->ca',
  'abc->cab',
  'abc->b',
  'ab->',
  'ab,ab->',
  'abe,bd->ad',
  'abd,cb->c',
];

await conformance('einsum', einsums, {
  Einsum: [
    ...equations.map((equation) => on(operands(equation), { equation }, close)),
    on([integers(-5, 5, 2, 3), integers(-5, 5, 3, 4)], { equation: 'ab,bc->ac' }),
  ],
});
