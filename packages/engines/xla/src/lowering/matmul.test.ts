/** Matrix products against the plain CPU backend. */
import { conformance, on } from '../testing/conformance.ts';
import { floats, given, integers } from '../testing/specimens.ts';
import { products } from './matmul.ts';

const close = { rtol: 1e-5, atol: 1e-5 };
const transpositions = [false, true].flatMap((transposeA) =>
  [false, true].map((transposeB) => ({ transposeA, transposeB })),
);
const matrix = (m: number, n: number, transposed: boolean, ...batch: number[]) =>
  transposed ? floats(...batch, n, m) : floats(...batch, m, n);
const plain = { transposeA: false, transposeB: false };

await conformance('products', products, {
  BatchMatMul: [
    ...transpositions.map((a) => on({ a: matrix(3, 5, a.transposeA, 2), b: matrix(5, 4, a.transposeB, 2) }, a, close)),
    on({ a: floats(2, 1, 3, 5), b: floats(3, 5, 2) }, plain, close),
    on({ a: floats(1, 3, 5), b: floats(4, 5, 2) }, plain, close),
    on({ a: floats(2, 3, 0), b: floats(2, 0, 4) }, plain, close),
    on({ a: floats(1, 1, 7), b: floats(1, 7, 1) }, plain, close),
    on({ a: integers(-5, 5, 1, 3, 4), b: integers(-5, 5, 1, 4, 2) }, plain),
    on({ a: given([1, NaN, 2, Infinity], [1, 2, 2]), b: floats(1, 2, 2) }, plain, close),
  ],
  _FusedMatMul: [
    ...['linear', 'relu', 'relu6', 'elu', 'sigmoid'].map((activation) =>
      on({ a: floats(2, 3, 5), b: floats(2, 5, 4), bias: floats(4) }, { ...plain, activation }, close),
    ),
    ...transpositions.map((a) =>
      on({ a: matrix(3, 5, a.transposeA, 1), b: matrix(5, 4, a.transposeB, 1) }, { ...a, activation: 'linear' }, close),
    ),
    on(
      { a: floats(1, 3, 5), b: floats(1, 5, 4), preluActivationWeights: floats(4) },
      { ...plain, activation: 'prelu' },
      close,
    ),
    on({ a: floats(1, 3, 5), b: floats(1, 5, 4) }, { ...plain, activation: 'leakyrelu', leakyreluAlpha: 0.3 }, close),
  ],
});
