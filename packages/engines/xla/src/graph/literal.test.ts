/** Constants as MLIR text. */
import { expect, test } from 'vitest';
import { denseText, scalarText, splatText } from './literal.ts';

test.each([
  [2, 'f32', '2.0e+0'],
  [0.1, 'f32', '1.0000000149011612e-1'],
  [-0, 'f32', '-0.0'],
  [1e-45, 'f32', '1.401298464324817e-45'],
  [3.5e38, 'f32', '0x7F800000'],
  [NaN, 'f32', '0x7FC00000'],
  [-Infinity, 'f32', '0xFF800000'],
  [NaN, 'bf16', '0x7FC0'],
  [Infinity, 'f16', '0x7C00'],
  [-7.9, 'i32', '-7'],
  [4294967295, 'ui32', '4294967295'],
  [2, 'i1', 'true'],
  [1.5, 'complex<f32>', '(1.5e+0, 0.0e+0)'],
] as const)('%s as %s', (value, type, text) => {
  expect(scalarText(value, type)).toBe(text);
});

test('arrays are bytes, bools are words', () => {
  expect(denseText(Float32Array.of(1, -0), 'f32', [2])).toBe('dense<"0x0000803F00000080"> : tensor<2xf32>');
  expect(denseText(Uint8Array.of(1, 0, 0, 1), 'i1', [2, 2])).toBe(
    'dense<[[true, false], [false, true]]> : tensor<2x2xi1>',
  );
  expect(denseText(Int32Array.of(7), 'i32', [1])).toBe('dense<7> : tensor<1xi32>');
  expect(denseText(new Float32Array(0), 'f32', [0, 3])).toBe('dense<> : tensor<0x3xf32>');
  expect(splatText(1, 'f32', [])).toBe('dense<1.0e+0> : tensor<f32>');
});

test('a part of a larger buffer is written alone', () => {
  const all = Int32Array.of(1, 2, 3, 4);
  expect(denseText(all.subarray(1, 3), 'i32', [2])).toBe('dense<"0x0200000003000000"> : tensor<2xi32>');
});
