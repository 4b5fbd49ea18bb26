/**
 * Random tensors from a key. Everything is made of `PhiloxBits`/`PhiloxUniform` and plain ops, so it runs on the
 * device, inside compiled programs, and gives the same numbers on every engine: integers exactly, floats up to the
 * engine's rounding of log, sin and cos (about 1e-6).
 *
 * Two draws of the same shape with the same key are the same numbers: use a key once.
 */
import * as tf from '@tensorflow/tfjs-core';
import { checkKey, runRandomKernel } from './key.ts';
import type { Key } from './key.ts';

function checkShape(shape: readonly number[], operation: string): number[] {
  for (const size of shape) {
    if (!Number.isInteger(size) || size < 0) {
      throw new RangeError(
        `random.${operation}: 'shape' must hold non-negative integers, but got [${shape.join(', ')}].`,
      );
    }
  }
  return [...shape];
}

/** Multiples of 2^-24 in [0, 1). */
function unit(key: Key, shape: number[]): tf.Tensor {
  return runRandomKernel('PhiloxUniform', { key }, { shape, stream: 0 });
}

/** Uniform 32-bit words as int32 (the sign bit is as random as the others), in the order that philox.ts lays down. */
export function bits(key: Key, shape: readonly number[]): tf.Tensor {
  checkKey(key, 'bits');
  return runRandomKernel('PhiloxBits', { key }, { shape: checkShape(shape, 'bits'), stream: 0 });
}

/** Range of {@link uniform}. */
export interface UniformOptions {
  /** Smallest value; default 0. */
  min?: number;
  /** Upper end, not reached (except by rounding where |min| dwarfs the range); default 1. */
  max?: number;
}

/** Uniform float32 in [min, max), with 24 random bits. */
export function uniform(key: Key, shape: readonly number[], options: UniformOptions = {}): tf.Tensor {
  const { min = 0, max = 1 } = options;
  checkKey(key, 'uniform');
  if (!(max >= min))
    throw new RangeError(`random.uniform: 'max' must be at least 'min', but got min ${min}, max ${max}.`);
  const size = checkShape(shape, 'uniform');
  if (min === 0 && max === 1) return unit(key, size);
  return tf.tidy(() => tf.add(tf.mul(unit(key, size), max - min), min));
}

/** Mean and standard deviation of {@link normal}. */
export interface NormalOptions {
  /** Default 0. */
  mean?: number;
  /** Default 1. */
  std?: number;
}

/**
 * Normal float32 by Box and Muller: with h = ceil(n / 2) and uniforms u, v of shape [2, h],
 * r = sqrt(-2 ln(1 - u)); the first h elements are r cos(2 pi v), the rest r sin(2 pi v).
 *
 * 1 - u lies in [2^-24, 1], so values reach 5.77 standard deviations at most.
 */
export function normal(key: Key, shape: readonly number[], options: NormalOptions = {}): tf.Tensor {
  const { mean = 0, std = 1 } = options;
  checkKey(key, 'normal');
  const target = checkShape(shape, 'normal');
  const n = tf.util.sizeFromShape(target);
  if (n === 0) return tf.zeros(target);
  return tf.tidy(() => {
    const half = Math.ceil(n / 2);
    const [u, v] = tf.unstack(unit(key, [2, half])) as [tf.Tensor, tf.Tensor];
    const radius = tf.sqrt(tf.mul(tf.log(tf.sub(1, u)), -2));
    const angle = tf.mul(v, 2 * Math.PI);
    const pair = tf.concat([tf.mul(radius, tf.cos(angle)), tf.mul(radius, tf.sin(angle))]); // [2h]
    const flat = n === 2 * half ? pair : tf.slice(pair, [0], [n]);
    const standard = tf.reshape(flat, target);
    const scaled = std === 1 ? standard : tf.mul(standard, std);
    return mean === 0 ? scaled : tf.add(scaled, mean);
  });
}

/** Bool tensor, true with probability `p` (a number, or a tensor that broadcasts to `shape`). */
export function bernoulli(key: Key, p: number | tf.Tensor, shape: readonly number[]): tf.Tensor {
  checkKey(key, 'bernoulli');
  if (typeof p === 'number' && !(p >= 0 && p <= 1)) {
    throw new RangeError(`random.bernoulli: 'p' must lie in [0, 1], but got ${p}.`);
  }
  const size = checkShape(shape, 'bernoulli');
  return tf.tidy(() => tf.less(unit(key, size), p));
}

/**
 * One index for each row of logits: argmax(logits + gumbel), gumbel = -ln(-ln(1 - u)).
 *
 * @param logits [..., K]; unnormalised log probabilities; -Infinity excludes an index.
 * @returns int32 [...]. Probabilities below about 1e-7 are not resolved.
 */
export function categorical(key: Key, logits: tf.Tensor): tf.Tensor {
  checkKey(key, 'categorical');
  if (logits.rank < 1) throw new RangeError("random.categorical: 'logits' must have shape [..., K], but got a scalar.");
  return tf.tidy(() => {
    // 1 - u may be exactly 1, where the exponential variate is 0 and the Gumbel one infinite.
    const exponential = tf.maximum(tf.neg(tf.log(tf.sub(1, unit(key, logits.shape)))), 2 ** -25);
    return tf.argMax(tf.sub(logits, tf.log(exponential)), -1);
  });
}

/** A random order of 0 … n-1, int32 [n]: the order that sorts n random words, ties by index. */
export function permutation(key: Key, n: number): tf.Tensor1D {
  checkKey(key, 'permutation');
  if (!Number.isInteger(n) || n < 0)
    throw new RangeError(`random.permutation: 'n' must be a non-negative integer, but got ${n}.`);
  if (n === 0) return tf.tensor1d([], 'int32');
  return tf.tidy(
    () => tf.topk(runRandomKernel('PhiloxBits', { key }, { shape: [n], stream: 0 }), n).indices as tf.Tensor1D,
  );
}

/** Range of {@link randint}. */
export interface RandintOptions {
  /** Smallest value; default 0. */
  min?: number;
  /** Upper end, not reached. */
  max: number;
}

/**
 * Uniform integers in [min, max), int32: min + floor(u (max - min)), with the 24 random bits of u.
 *
 * The probability of a value is off by at most 2^-24; the range may hold at most 2^24 values.
 */
export function randint(key: Key, shape: readonly number[], options: RandintOptions): tf.Tensor {
  const { min = 0, max } = options;
  checkKey(key, 'randint');
  const range = max - min;
  if (!Number.isInteger(min) || !Number.isInteger(max) || range < 1 || range > 2 ** 24) {
    throw new RangeError(
      `random.randint: 'min' and 'max' must be integers with 1 to 2^24 values between them, but got min ${min}, max ${max}.`,
    );
  }
  const size = checkShape(shape, 'randint');
  return tf.tidy(() => {
    const index = tf.minimum(tf.floor(tf.mul(unit(key, size), range)), range - 1);
    return tf.add(tf.cast(index, 'int32'), tf.scalar(min, 'int32'));
  });
}
