import '@tensorflow/tfjs-backend-cpu';
import * as tf from '@tensorflow/tfjs-core';
import { readdirSync, readFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { dirname, join } from 'node:path';
import { beforeAll, describe, expect, it } from 'vitest';
import { chainedOps, registerChainedOps } from './chained.ts';

beforeAll(async () => {
  await tf.setBackend('cpu');
  registerChainedOps();
});

/** The methods that the types of TensorFlow.js declare. */
function declaredMethods(): string[] {
  const core = dirname(createRequire(import.meta.url).resolve('@tensorflow/tfjs-core'));
  const folder = join(core, 'public', 'chained_ops');
  return readdirSync(folder)
    .filter((file) => file.endsWith('.d.ts') && !file.includes('register_all'))
    .flatMap((file) => {
      const body = readFileSync(join(folder, file), 'utf8').split('interface Tensor')[1] ?? '';
      return [...body.matchAll(/^ {8}(\w+)\s*[<(]/gm)].map(([, name]) => name ?? '');
    });
}

describe('registerChainedOps', () => {
  it('adds exactly the methods that TensorFlow.js declares', () => {
    expect([...chainedOps].sort()).toEqual(declaredMethods().sort());
    for (const name of chainedOps) expect(tf.Tensor.prototype, name).toHaveProperty(name);
  });

  it('leaves methods alone when called again', () => {
    const add = tf.Tensor.prototype.add;
    registerChainedOps();
    expect(tf.Tensor.prototype.add).toBe(add);
  });

  it('chains ops with this tensor first', () => {
    tf.tidy(() => {
      const x = tf.tensor2d([
        [1, -2],
        [3, 4],
      ]);
      expect([...x.sub(1).relu().sum(1).dataSync()]).toEqual([0, 5]);
      expect([...x.matMul(x, false, true).dataSync()]).toEqual([5, -5, -5, 25]);
      expect([...x.cast('int32').pow(tf.scalar(2, 'int32')).dataSync()]).toEqual([1, 4, 9, 16]);
    });
  });

  it('gives the methods of their own meaning', () => {
    tf.tidy(() => {
      const x = tf.tensor2d([
        [1, 0],
        [3, 4],
      ]);
      expect(x.as1D().shape).toEqual([4]);
      expect(x.as4D(1, 2, 2, 1).shape).toEqual([1, 2, 2, 1]);
      expect(x.flatten().reshapeAs(x).shape).toEqual([2, 2]);
      expect(x.toInt().dtype).toBe('int32');
      expect([...x.toBool().dataSync()]).toEqual([1, 0, 1, 1]);
      expect(x.concat([x, x], 1).shape).toEqual([2, 6]);
      expect(x.stack(x).shape).toEqual([2, 2, 2]);
      expect([...x.where(x.greater(1), x.neg()).dataSync()]).toEqual([-1, -0, 3, 4]);
      expect(x.as3D(2, 2, 1).resizeNearestNeighbor([4, 4]).shape).toEqual([4, 4, 1]);
      expect(x.sum().asScalar().dataSync()[0]).toBe(8);
    });
  });

  it('says what asScalar expects', () => {
    const x = tf.tensor1d([1, 2]);
    expect(() => x.asScalar()).toThrow('asScalar: expected a tensor of one element, received shape [2]');
    x.dispose();
    expect(() => x.abs()).toThrow('disposed');
  });
});
