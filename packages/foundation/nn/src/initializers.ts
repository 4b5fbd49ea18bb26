/**
 * Initialisers, equal to PyTorch's (`torch.nn.init`) in distribution.
 *
 * An initialiser is a function of a shape. Fans are read from the shape in TensorFlow's layout: the last axis is the
 * outputs, the one before it the inputs, what comes first is the receptive field (`[in, out]`, `[h, w, in, out]`).
 * Where a layer's weight is laid out otherwise (transposed convolutions), it passes `fanIn` and `fanOut` itself.
 * Random ones draw one key from the ambient scope (`random.withKey`).
 */
import { random, tf } from '@tesserae/tensor';

/** Initial values of a given shape, float32. */
export type Initializer = (shape: readonly number[]) => tf.Tensor;

/** Numbers of inputs and outputs of a unit. */
export interface Fans {
  /** Default: all axes but the last. */
  readonly fanIn?: number;
  /** Default: the receptive field times the last axis. */
  readonly fanOut?: number;
}

/** The fans of a shape in TensorFlow's layout; vectors count as `[n, 1]`. */
export function fansOf(shape: readonly number[]): Required<Fans> {
  const outputs = shape.length > 1 ? (shape[shape.length - 1] as number) : 1;
  const inputs = shape.length > 1 ? (shape[shape.length - 2] as number) : (shape[0] ?? 1);
  const field = shape.slice(0, -2).reduce((product, size) => product * size, 1);
  return { fanIn: inputs * field, fanOut: outputs * field };
}

/** All 0. */
export function zeros(): Initializer {
  return (shape) => tf.zeros([...shape]);
}

/** All 1. */
export function ones(): Initializer {
  return (shape) => tf.ones([...shape]);
}

/** All `value`. */
export function constant(value: number): Initializer {
  return (shape) => tf.fill([...shape], value);
}

/** Uniform in [min, max). */
export function uniform(min: number, max: number): Initializer {
  return (shape) => tf.tidy(() => random.uniform(random.next(), shape, { min, max }));
}

/** N(mean, std²). Defaults: std 1, mean 0. */
export function normal(std = 1, mean = 0): Initializer {
  return (shape) => tf.tidy(() => random.normal(random.next(), shape, { mean, std }));
}

/** Options of {@link truncatedNormal}. */
export interface TruncatedNormalOptions {
  /** Standard deviation before truncation. Default 1. */
  readonly std?: number;
  /** Default 0. */
  readonly mean?: number;
  /** Smallest value, as a value and not in deviations. Default −2. */
  readonly min?: number;
  /** Largest value. Default 2. */
  readonly max?: number;
}

/**
 * N(mean, std²) restricted to [min, max], by the inverse of the distribution function, as `torch.nn.init.trunc_normal_`
 * (whose limits, too, are values: with std 0.02 the defaults cut nothing).
 */
export function truncatedNormal(options: TruncatedNormalOptions = {}): Initializer {
  const { std = 1, mean = 0, min = -2, max = 2 } = options;
  if (!(max > min)) throw new RangeError(`truncatedNormal: 'max' must be above 'min', got min ${min}, max ${max}.`);
  if (!(std > 0)) throw new RangeError(`truncatedNormal: 'std' must be positive, got ${std}.`);
  const low = erf((min - mean) / (std * Math.SQRT2));
  const high = erf((max - mean) / (std * Math.SQRT2));
  return (shape) =>
    tf.tidy(() => {
      const u = random.uniform(random.next(), shape, { min: low, max: high });
      const x = tf.add(tf.mul(erfInverse(u), std * Math.SQRT2), mean);
      return tf.clipByValue(x, min, max);
    });
}

/** Options of the Kaiming initialisers. */
export interface KaimingOptions extends Fans {
  /**
   * Slope of the leaky ReLU that follows; gain = √(2 / (1 + slope²)). Default √5, which is what PyTorch's Linear and
   * Conv use and makes the bound 1/√fanIn. Use 0 for a ReLU network.
   */
  readonly slope?: number;
  /** Which fan keeps its variance. Default `in`. */
  readonly mode?: 'in' | 'out';
}

function kaimingStd(shape: readonly number[], { slope = Math.sqrt(5), mode = 'in', ...fans }: KaimingOptions): number {
  const { fanIn, fanOut } = { ...fansOf(shape), ...fans };
  return Math.sqrt(2 / (1 + slope * slope)) / Math.sqrt(Math.max(1, mode === 'in' ? fanIn : fanOut));
}

/** Uniform in ±gain·√(3/fan): He et al. 2015 (arXiv 1502.01852). The default of Linear and Conv, as in PyTorch. */
export function kaimingUniform(options: KaimingOptions = {}): Initializer {
  return (shape) => {
    const bound = Math.sqrt(3) * kaimingStd(shape, options);
    return uniform(-bound, bound)(shape);
  };
}

/** N(0, gain²/fan): He et al. 2015. */
export function kaimingNormal(options: KaimingOptions = {}): Initializer {
  return (shape) => normal(kaimingStd(shape, options))(shape);
}

/** Options of the Xavier initialisers. */
export interface XavierOptions extends Fans {
  /** Default 1. */
  readonly gain?: number;
}

function xavierStd(shape: readonly number[], { gain = 1, ...fans }: XavierOptions): number {
  const { fanIn, fanOut } = { ...fansOf(shape), ...fans };
  return gain * Math.sqrt(2 / Math.max(1, fanIn + fanOut));
}

/** Uniform in ±gain·√(6/(fanIn + fanOut)): Glorot and Bengio 2010. */
export function xavierUniform(options: XavierOptions = {}): Initializer {
  return (shape) => {
    const bound = Math.sqrt(3) * xavierStd(shape, options);
    return uniform(-bound, bound)(shape);
  };
}

/** N(0, 2·gain²/(fanIn + fanOut)): Glorot and Bengio 2010. */
export function xavierNormal(options: XavierOptions = {}): Initializer {
  return (shape) => normal(xavierStd(shape, options))(shape);
}

/** Uniform in ±1/√fanIn: PyTorch's biases of Linear and Conv, whose fan is that of their weight. */
export function biasUniform(fanIn: number): Initializer {
  const bound = 1 / Math.sqrt(Math.max(1, fanIn));
  return uniform(-bound, bound);
}

/** erf of a number to 1.2e-7 (Numerical Recipes, erfc by Chebyshev fit); enough for the limits of a float32 draw. */
function erf(x: number): number {
  const t = 1 / (1 + 0.5 * Math.abs(x));
  const polynomial = [
    0.17087277, -0.82215223, 1.48851587, -1.13520398, 0.27886807, -0.18628806, 0.09678418, 0.37409196, 1.00002368,
  ].reduce((sum, coefficient) => sum * t + coefficient, 0);
  const complement = t * Math.exp(-x * x - 1.26551223 + t * polynomial);
  return x >= 0 ? 1 - complement : complement - 1;
}

/** Coefficients of M. Giles, "Approximating the erfinv function" (2010), single precision, highest power first. */
const CENTRE = [
  2.81022636e-8, 3.43273939e-7, -3.5233877e-6, -4.39150654e-6, 0.00021858087, -0.00125372503, -0.00417768164,
  0.246640727, 1.50140941,
];
const TAIL = [
  -0.000200214257, 0.000100950558, 0.00134934322, -0.00367342844, 0.00573950773, -0.0076224613, 0.00943887047,
  1.00167406, 2.83297682,
];

/** erf⁻¹, relative error about 1e-6 in float32. Finite at ±1. */
function erfInverse(x: tf.Tensor): tf.Tensor {
  const horner = (w: tf.Tensor, coefficients: readonly number[]): tf.Tensor =>
    coefficients.slice(1).reduce<tf.Tensor>((sum, c) => tf.add(tf.mul(sum, w), c), tf.fill(w.shape, coefficients[0]!));
  const w = tf.neg(tf.log(tf.maximum(tf.mul(tf.sub(1, x), tf.add(1, x)), 1e-12)));
  const centre = horner(tf.sub(w, 2.5), CENTRE);
  const tail = horner(tf.sub(tf.sqrt(w), 3), TAIL);
  return tf.mul(tf.where(tf.less(w, 5), centre, tail), x);
}
