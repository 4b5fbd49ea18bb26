/** Sizes of products are read from the text that `write-module.ts` writes. */
import { expect, test } from 'vitest';
import { dotGeneral, reshape, transpose } from '../graph/hlo.ts';
import { Node } from '../graph/node.ts';
import { writeModule } from '../graph/write-module.ts';
import { largestProduct } from './largest-product.ts';

const none = { lhsBatch: [], rhsBatch: [] };

function moduleOf(...outputs: Node[]): string {
  return writeModule(outputs, { name: 'products' }).text;
}

test('the largest product counts, with its batch', () => {
  const [a, b] = [new Node('f32', [2, 3, 5, 7]), new Node('f32', [2, 3, 7, 11])];
  const batch = { lhsBatch: [0, 1], rhsBatch: [0, 1], lhsContract: [3], rhsContract: [2] };
  const small = dotGeneral(
    reshape(a, [30, 7]),
    reshape(b, [7, 66]),
    { ...none, lhsContract: [1], rhsContract: [0] },
    'DEFAULT',
  );
  const batched = dotGeneral(a, b, batch, 'HIGHEST');
  expect(largestProduct(moduleOf(batched))).toBe(2 * 6 * 5 * 7 * 11);
  expect(largestProduct(moduleOf(batched, small, batched))).toBe(2 * 30 * 7 * 66);
});

test('a product of vectors is a scalar', () => {
  const [a, b] = [new Node('bf16', [9]), new Node('bf16', [9])];
  expect(
    largestProduct(moduleOf(dotGeneral(a, b, { ...none, lhsContract: [0], rhsContract: [0] }, 'DEFAULT', 'f32'))),
  ).toBe(18);
});

test('without products it is 0', () => {
  expect(largestProduct(moduleOf(transpose(new Node('f32', [2, 3]), [1, 0])))).toBe(0);
});
