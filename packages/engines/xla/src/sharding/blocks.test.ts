/** Blocks against the plain definition: element by element. */
import { expect, test } from 'vitest';
import { cut, paste } from './blocks.ts';

const whole = Float32Array.from({ length: 24 }, (_, i) => i);
const cases = [
  { shape: [4, 6], start: [0, 0], size: [4, 6] },
  { shape: [4, 6], start: [2, 0], size: [2, 6] },
  { shape: [4, 6], start: [0, 3], size: [4, 3] },
  { shape: [2, 3, 4], start: [1, 0, 2], size: [1, 3, 2] },
  { shape: [2, 3, 4], start: [0, 2, 0], size: [2, 1, 4] },
  { shape: [24], start: [6], size: [6] },
];

test.each(cases)('a block of $size at $start of $shape', ({ shape, start, size }) => {
  const inside: number[] = [];
  const at = (index: readonly number[]): number => index.reduce((sum, i, d) => sum * (shape[d] as number) + i, 0);
  const visit = (index: number[]): void => {
    if (index.length === shape.length) inside.push(at(index));
    else
      for (let i = 0; i < (size[index.length] as number); i++) visit([...index, (start[index.length] as number) + i]);
  };
  visit([]);
  const part = cut(whole, 'f32', shape, { start, size });
  expect([...part]).toEqual(inside);
  const target = new Float32Array(24).fill(-1);
  paste(part, target, 'f32', shape, { start, size });
  expect([...target]).toEqual([...whole].map((value) => (inside.includes(value) ? value : -1)));
});

test('complex numbers are pairs, and an empty block is nothing', () => {
  const complex = Float32Array.of(0, 1, 2, 3, 4, 5, 6, 7); // [2, 2]
  expect([...cut(complex, 'complex<f32>', [2, 2], { start: [0, 1], size: [2, 1] })]).toEqual([2, 3, 6, 7]);
  expect(cut(new Float32Array(0), 'f32', [0, 4], { start: [0, 2], size: [0, 2] })).toHaveLength(0);
});
