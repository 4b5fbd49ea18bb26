/** Resizing and cropping against the plain CPU backend. */
import { conformance, on } from '../testing/conformance.ts';
import { floats, given, integers } from '../testing/specimens.ts';
import { images } from './image.ts';

const modes = [
  { alignCorners: false, halfPixelCenters: false },
  { alignCorners: true, halfPixelCenters: false },
  { alignCorners: false, halfPixelCenters: true },
];
const sizes = [
  [10, 6],
  [7, 4],
  [2, 3],
  [1, 1],
];
const resizes = modes.flatMap((mode) => sizes.map((size) => ({ ...mode, size })));
const boxes = given([0, 0, 1, 1, 0.2, 0.1, 0.7, 0.8, 0.5, 0.5, 1.4, 1.2, 0.9, 0.8, 0.1, 0.2], [4, 4]);
const owners = given([0, 1, 1, 0], [4], 'int32');
const crops = [
  [3, 4],
  [1, 1],
].flatMap((cropSize) =>
  (['bilinear', 'nearest'] as const).map((method) => ({ cropSize, method, extrapolationValue: -7 })),
);

await conformance('images', images, {
  ResizeBilinear: [
    ...resizes.map((a) => on({ images: floats(2, 5, 3, 2) }, a)),
    on({ images: integers(0, 256, 1, 3, 3, 1) }, { alignCorners: false, halfPixelCenters: false, size: [5, 4] }),
  ],
  ResizeNearestNeighbor: resizes.map((a) => on({ images: floats(2, 5, 3, 2) }, a)),
  // Square images: TensorFlow.js reports the gradient's height and width in the wrong order. It has no half pixels.
  ResizeBilinearGrad: sizes.flatMap(([h = 1, w = 1]) =>
    [true, false].map((alignCorners) =>
      on({ images: floats(2, 4, 4, 2), dy: floats(2, h, w, 2) }, { alignCorners }, { rtol: 1e-4, atol: 1e-5 }),
    ),
  ),
  ResizeNearestNeighborGrad: sizes.flatMap(([h = 1, w = 1]) =>
    [true, false].map((alignCorners) => on({ images: floats(1, 5, 3, 2), dy: floats(1, h, w, 2) }, { alignCorners })),
  ),
  CropAndResize: crops.map((a) => on({ image: floats(2, 5, 4, 3), boxes, boxInd: owners }, a)),
  FlipLeftRight: [on({ image: floats(2, 3, 5, 2) })],
});
