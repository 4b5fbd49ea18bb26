/** Dilation against the plain CPU backend. */
import { conformance, on } from '../testing/conformance.ts';
import { floats } from '../testing/specimens.ts';
import { morphology } from './morphology.ts';

const x = floats(2, 6, 5, 3);
const filter = floats(3, 2, 3);
const cases = [
  { attributes: { strides: 1, pad: 'valid', dilations: 1 }, out: [4, 4] },
  { attributes: { strides: [2, 1], pad: 'same', dilations: 1 }, out: [3, 5] },
  { attributes: { strides: 1, pad: 'same', dilations: [1, 2] }, out: [6, 5] },
];

await conformance('morphology', morphology, {
  Dilation2D: cases.map(({ attributes }) => on({ x, filter }, attributes)),
  Dilation2DBackpropInput: cases.map(({ attributes, out }) => on({ x, filter, dy: floats(2, ...out, 3) }, attributes)),
  Dilation2DBackpropFilter: cases.map(({ attributes, out }) => on({ x, filter, dy: floats(2, ...out, 3) }, attributes)),
});
