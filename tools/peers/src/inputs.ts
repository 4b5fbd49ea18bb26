/**
 * Inputs and initial weights by a rule that `python/inputs.py` computes too, bit for bit.
 *
 * Number i of a tensor called `name` is murmur3's finaliser of i · 0x9e3779b1 + fnv1a(name), a 32-bit integer. Uniform
 * values take its upper 24 bits, which float32 holds exactly.
 */
import { random, tf } from '@tesserae/tensor';
import type { Module } from '@tesserae/nn';

/** Numbers of a shape. */
function count(shape: readonly number[]): number {
  return shape.reduce((product, size) => product * size, 1);
}

/** 32-bit FNV-1a of the name's UTF-8. */
function hashOf(name: string): number {
  let hash = 0x811c9dc5;
  for (const byte of new TextEncoder().encode(name)) hash = Math.imul(hash ^ byte, 0x01000193);
  return hash >>> 0;
}

/** Integer `i` of the stream of `seed`, below 2³². */
function mixed(i: number, seed: number): number {
  let x = (Math.imul(i, 0x9e3779b1) + seed) | 0;
  x = Math.imul(x ^ (x >>> 16), 0x85ebca6b);
  x = Math.imul(x ^ (x >>> 13), 0xc2b2ae35);
  return (x ^ (x >>> 16)) >>> 0;
}

/** Values in ±scale as numbers: what {@link uniform} puts into a tensor. */
export function uniformValues(name: string, size: number, scale: number): Float32Array {
  const seed = hashOf(name);
  const values = new Float32Array(size);
  for (let i = 0; i < size; i++) values[i] = ((mixed(i, seed) >>> 8) * 2 ** -23 - 1) * scale;
  return values;
}

/** A float32 tensor of values in ±scale. */
export function uniform(name: string, shape: readonly number[], scale: number = 1): tf.Tensor {
  return tf.tensor(uniformValues(name, count(shape), scale), [...shape], 'float32');
}

/** An int32 tensor of values in [0, limit). */
export function integers(name: string, shape: readonly number[], limit: number): tf.Tensor {
  const seed = hashOf(name);
  const values = Int32Array.from({ length: count(shape) }, (_, i) => mixed(i, seed) % limit);
  return tf.tensor(values, [...shape], 'int32');
}

/** Initial values of a parameter: ±√(3 / fan in) for two axes and more, 1 for a norm's weight, 0 for a bias. */
function initialValue(name: string, shape: readonly number[]): tf.Tensor {
  if (shape.length >= 2) return uniform(name, shape, Math.sqrt(3 / count(shape.slice(0, -1))));
  return name.endsWith('weight') ? tf.ones([...shape]) : tf.zeros([...shape]);
}

/** Makes a module and gives its parameters and float buffers {@link initialValue}. */
export function initialised<M extends Module>(create: () => M): M {
  using key = random.key(0);
  const module = random.withKey(key, create);
  tf.tidy(() => {
    for (const [name, variable] of Object.entries(module.parameters())) {
      variable.assign(initialValue(name, variable.shape));
    }
  });
  return module;
}
