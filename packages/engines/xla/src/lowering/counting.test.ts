/** Counting and sparse writing against the plain CPU backend. */
import { conformance, on } from '../testing/conformance.ts';
import { bools, floats, given, integers } from '../testing/specimens.ts';
import { counting } from './counting.ts';

const none = given([], [0], 'float32');
const rows = given([0, 2, 1], [3], 'int32');
const cells = given([0, 1, 2, 0, 1, 1], [3, 2], 'int32');
const zero = given([-1], []);

await conformance('counting', counting, {
  Bincount: [
    on({ x: integers(0, 9, 20), weights: none }, { size: 7 }),
    on({ x: integers(0, 5, 20), weights: floats(20) }, { size: 5 }),
    on({ x: integers(0, 5, 20), weights: integers(0, 9, 20) }, { size: 5 }),
  ],
  DenseBincount: [
    on({ x: integers(0, 9, 20), weights: none }, { size: 7, binaryOutput: false }),
    on({ x: integers(0, 9, 3, 8), weights: none }, { size: 7, binaryOutput: false }),
    on({ x: integers(0, 5, 3, 8), weights: floats(3, 8) }, { size: 5, binaryOutput: false }),
    on({ x: integers(0, 9, 3, 8), weights: none }, { size: 7, binaryOutput: true }),
  ],
  SparseToDense: [
    on({ sparseIndices: rows, sparseValues: floats(3), defaultValue: zero }, { outputShape: [4] }),
    on({ sparseIndices: rows, sparseValues: given([5], []), defaultValue: zero }, { outputShape: [4] }),
    on({ sparseIndices: cells, sparseValues: floats(3), defaultValue: zero }, { outputShape: [3, 2] }),
    on(
      { sparseIndices: cells, sparseValues: integers(0, 9, 3), defaultValue: given([3], [], 'int32') },
      { outputShape: [3, 2] },
    ),
    on({ sparseIndices: rows, sparseValues: bools(3), defaultValue: given([1], [], 'bool') }, { outputShape: [4] }),
  ],
  Diag: [on({ x: floats(4) }), on({ x: integers(0, 9, 2, 3) })],
});
