import { expect, test } from 'vitest';
import { compose, horizontalFlip } from './augment.ts';
import { Draws } from './draws.ts';
import { collateImages, type ImageItem } from './image-item.ts';

const item: ImageItem = { pixels: Uint8Array.of(0, 1, 2, 3, 4, 5, 6, 7), shape: [2, 2, 2], label: 3 };

test('a flip mirrors each row and keeps channels together and the item as it was', () => {
  const flipped = horizontalFlip({ p: 1 })(item, new Draws(0));
  expect([...flipped.pixels]).toEqual([2, 3, 0, 1, 6, 7, 4, 5]);
  expect(flipped.label).toBe(3);
  expect([...item.pixels]).toEqual([0, 1, 2, 3, 4, 5, 6, 7]);
  expect(horizontalFlip({ p: 0 })(item, new Draws(0))).toBe(item);
  expect(compose(horizontalFlip({ p: 1 }), horizontalFlip({ p: 1 }))(item, new Draws(0))).toEqual(item);
});

test('flips about half of the time', () => {
  const flip = horizontalFlip();
  const flipped = Array.from({ length: 1000 }, (_, i) => flip(item, new Draws(0, 0, i)) !== item).filter(Boolean);
  expect(Math.abs(flipped.length - 500)).toBeLessThan(80);
});

test('bytes to [-1, 1]', () => {
  const { images, labels } = collateImages([{ pixels: Uint8Array.of(0, 255), shape: [1, 2, 1] }]);
  expect([...images.data]).toEqual([-1, 1]);
  expect(images.shape).toEqual([1, 1, 2, 1]);
  expect(labels).toBeUndefined();
});

test('refuses unequal shapes and an empty batch', () => {
  expect(() => collateImages([item, { ...item, shape: [1, 4, 2] }])).toThrow('picture 1 has shape [1, 4, 2]');
  expect(() => collateImages([])).toThrow('no pictures');
});
