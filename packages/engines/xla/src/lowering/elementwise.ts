/** Elementwise kernels: arithmetic, comparison, logic, activations, conversion. */
import { type tf } from '@tesserae/tensor';
import { apply, applyScalar, broadcastBoth, broadcastTo } from '../graph/broadcast.ts';
import {
  add,
  binary,
  broadcastInDim,
  chlo,
  clamp,
  compare,
  complex,
  constant,
  convert,
  divide,
  imag,
  maximum,
  minimum,
  multiply,
  operation,
  real,
  select,
  subtract,
  unary,
} from '../graph/hlo.ts';
import type { BinaryName, ChloName, Direction, UnaryName } from '../graph/hlo.ts';
import type { Node } from '../graph/node.ts';
import { bufferType } from '../pjrt/element-type.ts';
import type { KernelCall, Lowering, Lowerings } from './kernel.ts';

/** Integers become floats for functions that have no integer form. */
const float = (x: Node): Node => (x.type === 'i32' || x.type === 'i1' ? convert(x, 'f32') : x);
const like = (x: Node, value: number): Node => constant(value, x.type, x.shape);

const ofX =
  (fn: (x: Node) => Node): Lowering =>
  (call) =>
    fn(call.node('x'));
const simple = (name: UnaryName): Lowering => ofX((x) => unary(name, float(x)));
const expanded = (name: ChloName): Lowering => ofX((x) => chlo(name, float(x)));

/** Both operands in one type and shape. */
function operands(call: KernelCall): [Node, Node] {
  let [a, b] = [call.node('a'), call.node('b')];
  if (a.type !== b.type) {
    const type = a.type === 'f32' || b.type === 'f32' ? 'f32' : 'i32';
    [a, b] = [convert(a, type), convert(b, type)];
  }
  return broadcastBoth(a, b);
}

const arithmetic =
  (name: BinaryName): Lowering =>
  (call) => {
    const [a, b] = operands(call);
    return a.type === 'i1' ? binary(name, convert(a, 'i32'), convert(b, 'i32')) : binary(name, a, b);
  };
const comparison =
  (direction: Direction): Lowering =>
  (call) =>
    compare(direction, ...operands(call));
const logical =
  (name: BinaryName): Lowering =>
  (call) =>
    apply(name, truth(call.node('a')), truth(call.node('b')));

const truth = (x: Node): Node => (x.type === 'i1' ? x : compare('NE', x, like(x, 0)));

/** Division that rounds down, for integers and floats. */
function floorDivide(a: Node, b: Node): Node {
  if (a.type !== 'i32') return unary('floor', divide(a, b));
  const quotient = divide(a, b);
  const inexact = compare('NE', multiply(quotient, b), a);
  const negative = compare('NE', compare('LT', a, like(a, 0)), compare('LT', b, like(b, 0)));
  return subtract(quotient, convert(binary('and', inexact, negative), 'i32'));
}

/** Remainder with the sign of the divisor. */
function floorRemainder(a: Node, b: Node): Node {
  const rest = binary('remainder', a, b);
  const zero = like(a, 0);
  const opposite = compare('NE', compare('LT', rest, zero), compare('LT', b, zero));
  return select(binary('and', compare('NE', rest, zero), opposite), add(rest, b), rest);
}

/** The values of another dtype, by TensorFlow.js's rules: floats are truncated, bools are x != 0. */
function cast(x: Node, dtype: tf.DataType): Node {
  const type = bufferType(dtype);
  if (type === x.type) return x;
  if (type === 'complex<f32>') {
    const part = convert(x, 'f32');
    return complex(part, like(part, 0));
  }
  if (x.type === 'complex<f32>') return cast(real(x), dtype);
  if (type === 'i1') return compare('NE', x, like(x, 0));
  return convert(x, type);
}

const relu = (x: Node): Node => maximum(x, like(x, 0));
const elu = (x: Node): Node => select(compare('GT', x, like(x, 0)), x, unary('exponential_minus_one', x));

/** Activations that fused kernels apply, by TensorFlow.js's names. */
export function activate(x: Node, name: string, alpha: Node | undefined, leakyAlpha: number | undefined): Node {
  switch (name) {
    case 'linear':
      return x;
    case 'relu':
      return relu(x);
    case 'relu6':
      return minimum(relu(x), like(x, 6));
    case 'elu':
      return elu(x);
    case 'sigmoid':
      return unary('logistic', x);
    case 'prelu':
      return prelu(x, alpha as Node);
    case 'leakyrelu':
      return leakyRelu(x, leakyAlpha ?? 0.2);
    default:
      throw new Error(`xla: fused activation '${name}' is unknown.`);
  }
}

function prelu(x: Node, alpha: Node): Node {
  return select(compare('LT', x, like(x, 0)), multiply(x, broadcastTo(alpha, x.shape)), x);
}

function leakyRelu(x: Node, alpha: number): Node {
  return maximum(x, applyScalar('multiply', x, alpha));
}

/** ln(1 + e^x) without overflow. */
function softplus(x: Node): Node {
  const tail = unary('log_plus_one', unary('exponential', unary('negate', unary('abs', x))));
  return add(relu(x), tail);
}

function power(call: KernelCall): Node {
  const [a, b] = operands(call);
  return a.type === 'i32' ? binary('power', a, b) : binary('power', float(a), float(b));
}

const scaleAlpha = 1.7580993408473768;
const scale = 1.0507009873554805;

/** See the file header. */
export const elementwise: Lowerings = {
  Abs: ofX((x) => (x.type === 'complex<f32>' ? magnitude(x) : unary('abs', x))),
  ComplexAbs: ofX(magnitude),
  Acos: expanded('acos'),
  Acosh: expanded('acosh'),
  Asin: expanded('asin'),
  Asinh: expanded('asinh'),
  Atan: expanded('atan'),
  Atanh: expanded('atanh'),
  Cosh: expanded('cosh'),
  Sinh: expanded('sinh'),
  Erf: expanded('erf'),
  Ceil: simple('ceil'),
  Floor: simple('floor'),
  Round: ofX((x) => (x.type === 'f32' ? unary('round_nearest_even', x) : x)),
  Cos: simple('cosine'),
  Sin: simple('sine'),
  // In double: near its poles the sine and cosine of a float lose the digits that the quotient shows.
  Tan: ofX((x) => convert(unary('tan', convert(float(x), 'f64')), 'f32')),
  Tanh: simple('tanh'),
  Exp: ofX((x) => unary('exponential', float(x))),
  Expm1: simple('exponential_minus_one'),
  Log: simple('log'),
  Log1p: simple('log_plus_one'),
  Neg: ofX((x) => unary('negate', x)),
  Rsqrt: simple('rsqrt'),
  Sqrt: simple('sqrt'),
  Sigmoid: simple('logistic'),
  Sign: ofX((x) => (x.type === 'f32' ? select(compare('NE', x, x), like(x, 0), unary('sign', x)) : unary('sign', x))),
  Square: ofX((x) => multiply(x, x)),
  Reciprocal: ofX((x) => divide(like(float(x), 1), float(x))),
  Relu: ofX(relu),
  Relu6: ofX((x) => minimum(relu(x), like(x, 6))),
  Elu: ofX(elu),
  Selu: ofX((x) =>
    select(
      compare('GE', x, like(x, 0)),
      applyScalar('multiply', x, scale),
      applyScalar('multiply', unary('exponential_minus_one', x), scaleAlpha),
    ),
  ),
  Softplus: ofX(softplus),
  LeakyRelu: (call) => leakyRelu(float(call.node('x')), call.attrs<{ alpha: number }>().alpha),
  Prelu: (call) => prelu(float(call.node('x')), float(call.node('alpha'))),
  Step: (call) => {
    const x = call.node('x');
    const { alpha } = call.attrs<{ alpha: number }>();
    const stepped = select(compare('GT', x, like(x, 0)), like(x, 1), like(x, alpha));
    return x.type === 'f32' ? select(compare('NE', x, x), x, stepped) : stepped;
  },
  EluGrad: (call) => {
    const [dy, y] = [call.node('dy'), call.node('y')];
    return select(compare('GE', y, like(y, 0)), dy, multiply(dy, applyScalar('add', y, 1)));
  },
  ClipByValue: (call) => {
    const x = call.node('x');
    const { clipValueMin, clipValueMax } = call.attrs<{ clipValueMin: number; clipValueMax: number }>();
    return clamp(constant(clipValueMin, x.type), x, constant(clipValueMax, x.type));
  },
  IsNan: ofX((x) => compare('NE', x, x)),
  IsFinite: ofX((x) => compare('LT', unary('abs', float(x)), like(float(x), Infinity))),
  IsInf: ofX((x) => compare('EQ', unary('abs', float(x)), like(float(x), Infinity))),
  LogicalNot: ofX((x) => unary('not', truth(x))),
  Cast: (call) => {
    const { dtype } = call.attrs<{ dtype: tf.DataType }>();
    const x = call.node('x');
    return bufferType(dtype) === x.type
      ? { tensors: call.backend.share(call.inputs['x'] as tf.TensorInfo, [...x.shape]) }
      : cast(x, dtype);
  },
  ZerosLike: ofX((x) => like(x, 0)),
  OnesLike: ofX((x) => like(x, 1)),

  Add: arithmetic('add'),
  Sub: arithmetic('subtract'),
  Multiply: arithmetic('multiply'),
  Maximum: arithmetic('maximum'),
  Minimum: arithmetic('minimum'),
  RealDiv: (call) => {
    const [a, b] = operands(call);
    return divide(float(a), float(b));
  },
  // An int32 whatever the operands, as TensorFlow.js has it.
  FloorDiv: (call) => convert(floorDivide(...operands(call)), 'i32'),
  Mod: (call) => floorRemainder(...operands(call)),
  Pow: power,
  SquaredDifference: (call) => {
    const difference = subtract(...operands(call));
    return multiply(difference, difference);
  },
  Atan2: arithmetic('atan2'),
  BitwiseAnd: arithmetic('and'),
  Equal: comparison('EQ'),
  NotEqual: comparison('NE'),
  Less: comparison('LT'),
  LessEqual: comparison('LE'),
  Greater: comparison('GT'),
  GreaterEqual: comparison('GE'),
  LogicalAnd: logical('and'),
  LogicalOr: logical('or'),
  AddN: (call) => call.list().reduce((sum, x) => add(sum, x)),

  Select: (call) => {
    const [t, e] = [call.node('t'), call.node('e')];
    const condition = truth(call.node('condition'));
    const aligned =
      condition.shape.length < t.shape.length ? broadcastLeading(condition, t.shape) : broadcastTo(condition, t.shape);
    return select(aligned, t, e);
  },
  Complex: (call) => complex(call.node('real'), call.node('imag')),
  Real: (call) => real(call.node('input')),
  Imag: (call) => imag(call.node('input')),
};

/** |x| of complex numbers; XLA's own does not overflow or underflow on the way. */
function magnitude(x: Node): Node {
  return operation('stablehlo.abs', [x], 'f32', x.shape);
}

/** A condition of lower rank chooses along the first dimensions. */
function broadcastLeading(condition: Node, shape: readonly number[]): Node {
  return broadcastInDim(
    condition,
    shape,
    condition.shape.map((_, i) => i),
  );
}
