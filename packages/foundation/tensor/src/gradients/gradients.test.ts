import * as tf from '@tensorflow/tfjs-core';
import { readdirSync } from 'node:fs';
import { createRequire } from 'node:module';
import { dirname, join } from 'node:path';
import { beforeAll, describe, expect, it } from 'vitest';
import { registerComposedKernels } from '../kernels/index.ts';
import { gradientError, ofGradient } from './finiteDifferences.ts';
import { gradients, registerGradients } from './index.ts';
import { allRows } from './rows.ts';

beforeAll(async () => {
  await tf.setBackend('cpu');
  registerComposedKernels('cpu');
  registerGradients();
});

describe('prod and cumprod', () => {
  it('have the right gradient at zeros', () => {
    tf.tidy(() => {
      const x = tf.tensor1d([2, 0, 3]);
      expect([
        ...tf
          .grad((y) => tf.prod(y))(x)
          .dataSync(),
      ]).toEqual([0, 6, 0]);
      expect([
        ...tf
          .grad((y) => tf.cumprod(y))(x)
          .dataSync(),
      ]).toEqual([1, 8, 0]);
    });
  });
});

describe.each(allRows)('%s gradients', (_, rows) => {
  it.each(rows)('$name', ({ build, second = true }) => {
    const before = tf.memory().numTensors;
    const gradientCase = build();
    expect(gradientError(gradientCase)).toBeLessThan(gradientCase.tolerance ?? 0.01);
    if (second) expect(gradientError(ofGradient(gradientCase))).toBeLessThan(0.03);
    tf.dispose([...gradientCase.inputs]);
    expect(tf.memory().numTensors).toBe(before);
  });
});

describe('registerGradients', () => {
  it('can be called again without registering anything', () => {
    const first = tf.getGradient('Exp');
    registerGradients();
    expect(tf.getGradient('Exp')).toBe(first);
  });

  it('names each kernel once', () => {
    const names = gradients.map((rule) => rule.kernelName);
    expect(new Set(names).size).toBe(names.length);
  });

  it('has a rule for every kernel that TensorFlow.js has one for', () => {
    const core = dirname(createRequire(import.meta.url).resolve('@tensorflow/tfjs-core'));
    const theirs = readdirSync(join(core, 'gradients')).flatMap((file) => file.match(/^(\w+)_grad\.js$/)?.[1] ?? []);
    expect(theirs.length).toBeGreaterThan(90);
    const ours = new Set(gradients.map((rule) => rule.kernelName));
    expect(theirs.filter((name) => !ours.has(name))).toEqual([]);
  });

  it('says why a complex tensor has no gradient', () => {
    const x = tf.tensor1d([1, 2]);
    const magnitude = (y: tf.Tensor): tf.Tensor => tf.abs(tf.complex(y, y));
    expect(() => tf.grad(magnitude)(x)).toThrow('ComplexAbs: expected a real input');
    x.dispose();
  });
});
