/** Elementwise kernels against the plain CPU backend. */
import { conformance, on } from '../testing/conformance.ts';
import type { KernelCase } from '../testing/conformance.ts';
import { between, bools, complexes, floats, given, integers, special, specialIntegers } from '../testing/specimens.ts';
import type { Specimen } from '../testing/specimens.ts';
import { elementwise } from './elementwise.ts';

const close = { rtol: 1e-5, atol: 1e-6 };
const x = floats(3, 5);
const ints = integers(-6, 7, 4, 3);
const empty = floats(0, 3);
const positive = between(0.1, 5, 3, 4);

/** A function of floats: ordinary and special values, nothing at all, and a scalar. */
const unary = (...more: Specimen[]): KernelCase[] =>
  [x, special, empty, floats(), ...more].map((v) => on({ x: v }, {}, close));

/** Every pair of shapes that broadcasts in another way. */
const pairs = (low: number, high: number): [Specimen, Specimen][] => [
  [between(low, high, 3, 4), between(low, high, 3, 4)],
  [between(low, high, 2, 1, 4), between(low, high, 3, 1)],
  [between(low, high), between(low, high, 2, 3)],
  [between(low, high, 1, 5), between(low, high, 5, 1)],
  [between(low, high, 0, 3), between(low, high, 3)],
];
const everyPair = (values: Specimen): [Specimen, Specimen] => {
  const n = values.values.length;
  return [
    { ...values, shape: [n, 1] },
    { ...values, shape: [1, n] },
  ];
};
const integerPairs: [Specimen, Specimen][] = [
  [integers(-9, 9, 4, 1), integers(-9, 9, 5)],
  [integers(-9, 9, 30), integers(1, 5, 30)],
  [integers(-9, 9, 30), integers(-5, 0, 30)],
];
const binary = (list: [Specimen, Specimen][]): KernelCase[] => list.map(([a, b]) => on({ a, b }, {}, close));
// TensorFlow.js gets broadcast complex numbers wrong.
const complexPair: [Specimen, Specimen] = [complexes(2, 3), complexes(2, 3)];
const comparisons = binary([...pairs(-2, 2), everyPair(special), integerPairs[0] as [Specimen, Specimen]]);
const truths = binary([
  [bools(3, 4), bools(4)],
  [bools(), bools(5)],
]);

await conformance('elementwise', elementwise, {
  Abs: unary(ints),
  ComplexAbs: [on({ x: complexes(3, 4) }, {}, close)],
  Acos: unary(),
  Acosh: unary(positive),
  Asin: unary(),
  Asinh: unary(),
  Atan: unary(),
  Atanh: unary(between(-0.99, 0.99, 9)),
  Cosh: unary(),
  Sinh: unary(),
  // TensorFlow.js approximates erf to 1.5e-7 and loses the sign of zero.
  Erf: unary(),
  Ceil: unary(),
  Floor: unary(),
  Round: unary(),
  Cos: unary(between(-100, 100, 20)),
  Sin: unary(between(-100, 100, 20)),
  // The last two are next to a pole.
  Tan: [...unary(), on({ x: given([-608065414.9, 1786759246.2, -470910673.97, -1015107953.9]) }, {}, { rtol: 1e-8 })],
  Tanh: unary(),
  Exp: unary(given([88, -88, 100, -110])),
  Expm1: unary(),
  Log: unary(positive),
  Log1p: unary(positive),
  Neg: unary(ints, specialIntegers),
  Rsqrt: unary(positive),
  Sqrt: unary(positive),
  Sigmoid: unary(given([100, -100, 88.5])),
  Sign: unary(ints),
  Square: unary(ints),
  Reciprocal: unary(),
  Relu: unary(ints),
  Relu6: unary(between(-2, 9, 12)),
  Elu: unary(),
  Selu: unary(),
  Softplus: unary(given([100, -100])),
  LeakyRelu: [x, special].map((v) => on({ x: v }, { alpha: 0.1 })),
  Prelu: [on({ x, alpha: floats(5) }), on({ x: floats(2, 3, 4), alpha: floats(2, 3, 4) })],
  Step: [x, special].map((v) => on({ x: v }, { alpha: 0.25 })),
  EluGrad: [on({ dy: floats(3, 5), y: between(-1, 2, 3, 5) })],
  ClipByValue: [
    ...[x, special].map((v) => on({ x: v }, { clipValueMin: -1, clipValueMax: 0.75 })),
    on({ x: ints }, { clipValueMin: -2, clipValueMax: 3 }),
  ],
  IsNan: unary(),
  IsFinite: unary(),
  IsInf: unary(),
  LogicalNot: [on({ x: bools(3, 4) })],
  Cast: (['float32', 'int32', 'bool'] as const)
    .flatMap((dtype) =>
      [between(-9, 9, 20), ints, bools(7), given([0, -0, 1e-20, 3.99, -3.99])].map((v) => on({ x: v }, { dtype })),
    )
    .concat([on({ x }, { dtype: 'complex64' }), on({ x: complexes(4) }, { dtype: 'float32' })]),
  ZerosLike: [x, ints, bools(3), complexes(2)].map((v) => on({ x: v })),
  OnesLike: [x, ints, bools(3)].map((v) => on({ x: v })),

  Add: binary([...pairs(-2, 2), everyPair(special), ...integerPairs, complexPair]),
  Sub: binary([...pairs(-2, 2), everyPair(special), ...integerPairs, complexPair]),
  Multiply: binary([...pairs(-2, 2), everyPair(special), ...integerPairs, complexPair]),
  Maximum: binary([...pairs(-2, 2), everyPair(special), ...integerPairs]),
  Minimum: binary([...pairs(-2, 2), everyPair(special), ...integerPairs]),
  RealDiv: binary([...pairs(1, 3), everyPair(special)]),
  FloorDiv: binary([...pairs(0.6, 3), ...integerPairs.slice(1), [floats(20), between(-2, -0.5, 20)]]),
  Mod: binary([...pairs(0.6, 3), ...integerPairs.slice(1), [floats(20), between(-2, -0.5, 20)]]),
  // 1 ** NaN is NaN in JavaScript alone.
  Pow: binary([
    ...pairs(0.1, 3),
    [special, given(Array<number>(16).fill(2))],
    [special, given(Array<number>(16).fill(-0.5))],
    [integers(-3, 4, 20), integers(0, 5, 20)],
  ]),
  SquaredDifference: binary([...pairs(-2, 2), ...integerPairs]),
  Atan2: binary([...pairs(-2, 2), everyPair(special)]),
  BitwiseAnd: binary(integerPairs),
  Equal: comparisons,
  NotEqual: comparisons,
  Less: comparisons,
  LessEqual: comparisons,
  Greater: comparisons,
  GreaterEqual: comparisons,
  LogicalAnd: truths,
  LogicalOr: truths,
  AddN: [on([floats(3, 4), floats(3, 4), between(0, 1, 3, 4)]), on([ints, ints]), on([floats(2)])],
  Select: [
    on({ condition: bools(3, 4), t: floats(3, 4), e: between(5, 6, 3, 4) }),
    on({ condition: bools(5), t: integers(0, 9, 5), e: integers(10, 19, 5) }),
  ],
  Complex: [on({ real: floats(2, 3), imag: between(0, 1, 2, 3) })],
  Real: [on({ input: complexes(2, 3) })],
  Imag: [on({ input: complexes(2, 3) })],
});
