/** Reductions against the plain CPU backend. */
import { conformance, on } from '../testing/conformance.ts';
import type { KernelCase } from '../testing/conformance.ts';
import { bools, coarse, floats, given, integers } from '../testing/specimens.ts';
import type { Specimen } from '../testing/specimens.ts';
import { reductions } from './reduction.ts';

const close = { rtol: 1e-5, atol: 1e-5 };
const cube = floats(3, 4, 5);
const axes = [undefined, 0, [1], [2], [-1], [0, 1], [1, 2], [0, 2], [0, 1, 2], []] as const;

/** Over all axes. `sizes` gives the inputs in the shape wanted. */
const over = (x: Specimen, name = 'axis'): KernelCase[] =>
  axes.map((axis) => on({ x }, { [name]: axis ?? [0, 1, 2], keepDims: false }, close));
const odd = given([NaN, 1, -2, 3, Infinity, 5, -Infinity, 0, -0], [3, 3]);
const last = (x: Specimen, name = 'axis'): KernelCase =>
  on({ x }, { [name]: [x.shape.length - 1], keepDims: false }, close);
const counting = (x: Specimen): KernelCase[] =>
  x.shape.flatMap((_, axis) =>
    [false, true].flatMap((exclusive) =>
      [false, true].map((reverse) => on({ x }, { axis, exclusive, reverse }, close)),
    ),
  );

await conformance('reductions', reductions, {
  Sum: [...over(cube), last(integers(-9, 9, 3, 7)), last(bools(3, 7)), last(odd), last(floats(3, 0))],
  Max: [
    ...over(cube, 'reductionIndices'),
    last(integers(-9, 9, 3, 7), 'reductionIndices'),
    last(odd, 'reductionIndices'),
  ],
  Min: [...over(cube), last(integers(-9, 9, 3, 7)), last(odd)],
  Prod: [...over(cube), last(integers(-3, 4, 3, 5)), last(odd)],
  All: [...over(bools(3, 4, 5)), last(given([1, 1, 1, 0], [2, 2], 'bool'))],
  Any: [...over(bools(3, 4, 5)), last(given([0, 0, 1, 0], [2, 2], 'bool'))],
  Mean: [...over(cube), last(odd)],
  ArgMax: [0, 1, 2]
    .flatMap((axis) => [cube, coarse(3, 4, 5), integers(-2, 3, 3, 4, 5)].map((x) => on({ x }, { axis })))
    .concat([
      on({ x: given([0, NaN, 3, 1, NaN, -Infinity], [2, 3]) }, { axis: 1 }),
      on({ x: given([-Infinity, -Infinity, -Infinity], [1, 3]) }, { axis: 1 }),
    ]),
  ArgMin: [0, 1, 2]
    .flatMap((axis) => [cube, coarse(3, 4, 5), integers(-2, 3, 3, 4, 5)].map((x) => on({ x }, { axis })))
    .concat([on({ x: given([0, NaN, -3, 3, NaN, Infinity], [2, 3]) }, { axis: 1 })]),
  Softmax: [cube, given([1000, 0, -1000, 5, 5, 5], [2, 3]), floats(7), floats(0, 4)].map((logits) =>
    on({ logits }, { dim: logits.shape.length - 1 }, close),
  ),
  Cumsum: [
    ...counting(floats(3, 4, 5)),
    ...counting(integers(-4, 5, 7)),
    on({ x: floats(2, 1) }, { axis: 1, exclusive: true, reverse: false }),
  ],
  Cumprod: [...counting(floats(3, 4)), ...counting(integers(-2, 3, 7))],
});
