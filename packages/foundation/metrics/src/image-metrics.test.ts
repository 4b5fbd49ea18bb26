import { readFileSync } from 'node:fs';
import { tf, useEngine } from '@tesserae/tensor';
import { expectNoLeak } from '@tesserae/tensor/testing';
import { beforeAll, describe, expect, test } from 'vitest';
import { decibels, psnr } from './psnr.ts';
import { ssim } from './ssim.ts';

interface Fixture {
  shape: [number, number, number, number];
  pictures: string;
  others: string;
  ssim: number[];
  psnr: number[];
}

const fixture = JSON.parse(readFileSync(new URL('./fixtures/scikit-image.json', import.meta.url), 'utf8')) as Fixture;

/** Bytes to pictures in [-1, 1]. */
function pictures(base64: string): tf.Tensor4D {
  return tf.tensor4d(
    Float32Array.from(Buffer.from(base64, 'base64'), (byte) => byte / 127.5 - 1),
    fixture.shape,
  );
}

describe.each(['cpu', 'wasm'])('on %s', (engine) => {
  beforeAll(async () => {
    await useEngine(engine);
  });

  test('SSIM agrees with scikit-image', () => {
    const got = ssim(pictures(fixture.pictures), pictures(fixture.others)).dataSync();
    expect(got).toHaveLength(2);
    fixture.ssim.forEach((value, i) => expect(got[i]).toBeCloseTo(value, 4));
  });

  test('PSNR agrees with scikit-image', () => {
    const got = psnr(pictures(fixture.pictures), pictures(fixture.others)).dataSync();
    fixture.psnr.forEach((value, i) => expect(got[i]).toBeCloseTo(value, 4));
  });

  test('the range scales both: pictures in [-127.5, 127.5] give the same figures', () => {
    const a = tf.mul(pictures(fixture.pictures), 127.5);
    const b = tf.mul(pictures(fixture.others), 127.5);
    expect(psnr(a, b, { range: 255 }).dataSync()[0]).toBeCloseTo(fixture.psnr[0] as number, 3);
    expect(ssim(a, b, { range: 255 }).dataSync()[1]).toBeCloseTo(fixture.ssim[1] as number, 3);
  });

  test('equal pictures: SSIM is 1, PSNR infinite', () => {
    const a = pictures(fixture.pictures);
    expect(ssim(a, a).dataSync()[0]).toBeCloseTo(1, 6);
    expect(psnr(a, a).dataSync()[0]).toBe(Infinity);
  });

  test('a known error: 0.2 everywhere is 20 dB in a range of 2', () => {
    expect(psnr(tf.zeros([1, 2, 2, 1]), tf.fill([1, 2, 2, 1], 0.2)).dataSync()[0]).toBeCloseTo(20, 4);
    expect(decibels(0.04)).toBeCloseTo(20, 10);
  });

  test('refuses shapes that differ, pictures smaller than the window and a range of nothing', () => {
    const a = tf.zeros([1, 12, 12, 3]);
    expect(() => psnr(a, tf.zeros([1, 12, 12, 1]))).toThrow('got [1, 12, 12, 3] and [1, 12, 12, 1]');
    expect(() => psnr(tf.zeros([3]), tf.zeros([3]))).toThrow('psnr: a and b must both have shape');
    expect(() => ssim(tf.zeros([1, 10, 12, 3]), tf.zeros([1, 10, 12, 3]))).toThrow('at least 11×11');
    expect(() => ssim(a, a, { range: 0 })).toThrow('range must be a positive number, got 0');
  });

  test('leaves nothing behind', () => {
    const a = pictures(fixture.pictures);
    expectNoLeak(() => {
      ssim(a, a).dispose();
      psnr(a, a).dispose();
    });
  });
});
