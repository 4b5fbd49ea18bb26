/**
 * For the tests of this folder: the WebAssembly backend, completed, next to the CPU backend as the reference.
 */
import { setWasmPaths } from '@tensorflow/tfjs-backend-wasm';
import * as tf from '@tensorflow/tfjs-core';
import { createRequire } from 'node:module';
import { dirname, sep } from 'node:path';
import { expect } from 'vitest';
import { spreadValues } from '../gradients/finiteDifferences.ts';
import { registerGradients } from '../gradients/index.ts';
import { hostBlocks } from './hostBridge.ts';
import { registerComposedKernels } from './index.ts';

/** Starts both backends with their repairs, and the gradients. */
export async function startBackends(): Promise<void> {
  setWasmPaths(dirname(createRequire(import.meta.url).resolve('@tensorflow/tfjs-backend-wasm')) + sep);
  await tf.setBackend('wasm');
  registerComposedKernels('wasm');
  registerGradients();
  await tf.setBackend('cpu');
}

type Outcome = { values: number[] | string[]; shape: number[]; dtype: string };

/** Runs on a backend, in a scope; checks that neither tensors nor blocks stay behind. */
async function on(backend: string, f: () => tf.Tensor | tf.Tensor[]): Promise<Outcome[]> {
  await tf.setBackend(backend);
  const before = { tensors: tf.memory().numTensors, blocks: tf.engine().backend.numDataIds() };
  const outcomes = tf.tidy(() => {
    const result = f();
    return (Array.isArray(result) ? result : [result]).map((x) => ({
      values: [...(x.dataSync() as unknown as number[])],
      shape: x.shape,
      dtype: x.dtype,
    }));
  });
  const after = { tensors: tf.memory().numTensors, blocks: tf.engine().backend.numDataIds() };
  expect(after).toEqual(before);
  expect(hostBlocks()).toBe(0);
  return outcomes;
}

/** Compares a function of fresh inputs on the WebAssembly backend with the CPU backend. */
export async function compare(f: () => tf.Tensor | tf.Tensor[], tolerance = 1e-4): Promise<void> {
  const expected = await on('cpu', f);
  const actual = await on('wasm', f);
  expect(actual.map(({ shape, dtype }) => ({ shape, dtype }))).toEqual(
    expected.map(({ shape, dtype }) => ({ shape, dtype })),
  );
  actual.forEach(({ values }, o) => {
    const wanted = expected[o]?.values ?? [];
    values.forEach((value, i) => {
      const other = wanted[i];
      if (typeof value !== 'number' || typeof other !== 'number') return expect(value).toEqual(other);
      if (Object.is(value, other) || value === other) return;
      const error = Math.abs(value - other) / (1 + Math.abs(other));
      if (!(error <= tolerance)) expect.fail(`output ${o}, element ${i}: expected ${other}, received ${value}`);
    });
  });
}

/** A name, a function of fresh tensors, and the largest error relative to 1 + |expected|; default 1e-4. */
export type Case = [name: string, f: () => tf.Tensor | tf.Tensor[], tolerance?: number];

/** Values in [-1, 1). */
export const v = (...shape: number[]): tf.Tensor => spreadValues(shape, -1, 1);
/** Other values in [-1, 1). */
export const w = (...shape: number[]): tf.Tensor => spreadValues(shape, -1, 1, 5.3);
/** An int32 tensor. */
export const ints = (values: number[], shape: number[] = [values.length]): tf.Tensor =>
  tf.tensor(values, shape, 'int32');
/** A tensor of truth values. */
export const bools = (values: boolean[]): tf.Tensor => tf.tensor1d(values, 'bool');
/** Runs a kernel by name. */
export const run = (name: string, inputs: Record<string, tf.Tensor>, attrs: object): tf.Tensor =>
  tf.engine().runKernel(name, inputs, attrs as tf.NamedAttrMap) as tf.Tensor;
