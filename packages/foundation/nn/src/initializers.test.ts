import { random, tf, useEngine } from '@tesserae/tensor';
import { beforeAll, describe, expect, test } from 'vitest';
import { init, type Initializer } from './index.ts';
import { Conv2d, ConvTranspose2d, Embedding, Linear } from './index.ts';

beforeAll(() => useEngine('cpu'));

/** Mean, standard deviation, extremes. */
function statistics(values: ArrayLike<number>): { mean: number; std: number; min: number; max: number } {
  const all = Array.from(values);
  const mean = all.reduce((sum, x) => sum + x, 0) / all.length;
  const std = Math.sqrt(all.reduce((sum, x) => sum + (x - mean) ** 2, 0) / all.length);
  return { mean, std, min: all.reduce((a, b) => Math.min(a, b)), max: all.reduce((a, b) => Math.max(a, b)) };
}

function draw(initializer: Initializer, shape: number[]): ReturnType<typeof statistics> {
  return tf.tidy(() => {
    const values = random.withKey(random.key(3), () => initializer(shape)).dataSync();
    return statistics(values) as never;
  });
}

/** A uniform draw of 10,000 in ±bound: limits kept and nearly reached, deviation bound/√3 within 3 %. */
function expectUniform(actual: ReturnType<typeof statistics>, bound: number): void {
  expect(Math.max(-actual.min, actual.max)).toBeLessThanOrEqual(bound * (1 + 1e-6));
  expect(Math.min(-actual.min, actual.max)).toBeGreaterThan(bound * 0.99);
  expect(Math.abs(actual.std / (bound / Math.sqrt(3)) - 1)).toBeLessThan(0.03);
  expect(Math.abs(actual.mean)).toBeLessThan(bound * 0.03);
}

describe('initialisers have the distributions of torch.nn.init', () => {
  test('kaimingUniform: 1/√fanIn by default, √(6/fanIn) for ReLU', () => {
    expectUniform(draw(init.kaimingUniform(), [100, 100]), 0.1);
    expectUniform(draw(init.kaimingUniform({ slope: 0 }), [5, 5, 16, 25]), Math.sqrt(6 / 400));
    expectUniform(draw(init.kaimingUniform({ slope: 0, mode: 'out' }), [5, 5, 16, 25]), Math.sqrt(6 / 625));
  });

  test('xavierUniform: gain √(6/(fanIn + fanOut))', () => {
    expectUniform(draw(init.xavierUniform(), [50, 200]), Math.sqrt(6 / 250));
    expectUniform(draw(init.xavierUniform({ gain: 2 }), [3, 3, 40, 28]), 2 * Math.sqrt(6 / (9 * 68)));
  });

  test('kaimingNormal, xavierNormal, normal', () => {
    expect(draw(init.kaimingNormal({ slope: 0 }), [100, 100]).std / Math.sqrt(2 / 100)).toBeCloseTo(1, 1);
    expect(draw(init.xavierNormal(), [50, 200]).std / Math.sqrt(2 / 250)).toBeCloseTo(1, 1);
    const { mean, std } = draw(init.normal(0.02, 1), [100, 100]);
    expect(mean).toBeCloseTo(1, 3);
    expect(std / 0.02).toBeCloseTo(1, 1);
  });

  test('truncatedNormal: limits, and the deviation that truncation leaves', () => {
    const cut = draw(init.truncatedNormal(), [100, 100]);
    expect(cut.min).toBeGreaterThanOrEqual(-2);
    expect(cut.max).toBeLessThanOrEqual(2);
    expect(cut.max).toBeGreaterThan(1.9);
    expect(Math.abs(cut.mean)).toBeLessThan(0.03);
    // Deviation of a standard normal cut at ±2: √(1 − 4 φ(2) / (2Φ(2) − 1)).
    expect(Math.abs(cut.std - 0.8796)).toBeLessThan(0.02);
    const narrow = draw(init.truncatedNormal({ std: 0.02 }), [100, 100]);
    expect(narrow.std / 0.02).toBeCloseTo(1, 1);
    // The tails are there: of 10,000 draws the largest is near 4 deviations, not cut at 2.
    expect(narrow.max).toBeGreaterThan(0.06);
    expect(narrow.max).toBeLessThan(0.12);
  });

  test('zeros, ones, constant', () => {
    tf.tidy(() => {
      expect([...init.zeros()([2]).dataSync()]).toEqual([0, 0]);
      expect([...init.ones()([2]).dataSync()]).toEqual([1, 1]);
      expect([...init.constant(0.5)([2]).dataSync()]).toEqual([0.5, 0.5]);
    });
  });
});

describe('layers begin as PyTorch’s do', () => {
  const build = <M>(fn: () => M): M => tf.tidy(() => ({ m: random.withKey(random.key(5), fn) as never })).m as M;

  test('Linear and Conv2d: weight and bias in ±1/√fanIn', () => {
    using linear = build(() => new Linear({ in: 64, out: 200 }));
    expectUniform(statistics(linear.weight.dataSync()), 1 / 8);
    const bias = statistics(linear.bias!.dataSync());
    expect(Math.max(-bias.min, bias.max)).toBeLessThan(1 / 8);
    expect(bias.std).toBeGreaterThan(0.8 / 8 / Math.sqrt(3));
    using conv = build(() => new Conv2d({ in: 16, out: 100, kernel: 3 }));
    expectUniform(statistics(conv.weight.dataSync()), 1 / 12);
    using grouped = build(() => new Conv2d({ in: 64, out: 64, kernel: 5, groups: 16 }));
    expectUniform(statistics(grouped.weight.dataSync()), 1 / 10);
  });

  test('ConvTranspose2d: the fan is that of the outputs', () => {
    using conv = build(() => new ConvTranspose2d({ in: 100, out: 16, kernel: 3 }));
    expectUniform(statistics(conv.weight.dataSync()), 1 / 12);
    expect(statistics(conv.bias!.dataSync()).max).toBeLessThan(1 / 12);
  });

  test('Embedding: N(0, 1)', () => {
    using table = build(() => new Embedding({ size: 100, dim: 100 }));
    const { mean, std } = statistics(table.weight.dataSync());
    expect(mean).toBeCloseTo(0, 1);
    expect(std).toBeCloseTo(1, 1);
  });

  test('a given initialiser makes biases zero', () => {
    using linear = build(() => new Linear({ in: 4, out: 4, init: init.normal(0.02) }));
    expect([...linear.bias!.dataSync()]).toEqual([0, 0, 0, 0]);
  });
});
