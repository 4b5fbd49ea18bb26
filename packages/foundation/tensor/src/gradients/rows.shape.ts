/** Gradients to check of operations that move elements: shapes, indices and transforms. */
import * as tf from '@tensorflow/tfjs-core';
import { fftOfPair, ifftOfPair } from './fft.ts';
import { ids, of, type Row } from './testRows.ts';

export const fftRows: Row[] = [
  of('fftOfPair', [[2, 2, 4]], (x) => fftOfPair(x!)),
  of('ifftOfPair', [[2, 3]], (x) => ifftOfPair(x!)),
];

export const shapeRows: Row[] = [
  of('reshape', [[2, 3]], (x) => tf.square(tf.reshape(x!, [3, 2]))),
  of('expandDims and squeeze', [[2, 3]], (x) => tf.square(tf.squeeze(tf.expandDims(x!, 1)))),
  of('transpose', [[2, 3, 4]], (x) => tf.square(tf.transpose(x!, [2, 0, 1]))),
  of('reverse', [[2, 3]], (x) => tf.mul(tf.reverse(x!, 1), x!)),
  of(
    'concat',
    [
      [2, 1],
      [2, 3],
      [2, 2],
    ],
    (...xs) => tf.square(tf.concat(xs, 1)),
  ),
  of(
    'concat along -2',
    [
      [1, 2],
      [3, 2],
    ],
    (...xs) => tf.square(tf.concat(xs, -2)),
  ),
  of(
    'stack',
    [
      [2, 3],
      [2, 3],
    ],
    (...xs) => tf.square(tf.stack(xs, 1)),
  ),
  of('unstack', [[2, 3]], (x) => tf.mul(tf.unstack(x!, 1)[0]!, tf.unstack(x!, 1)[2]!)),
  of('unstack of one', [[2, 1]], (x) => tf.square(tf.unstack(x!, 1)[0]!)),
  of('split', [[2, 5]], (x) => tf.square(tf.split(x!, [2, 3], 1)[1]!)),
  of('tile', [[2, 1, 3]], (x) => tf.square(tf.tile(x!, [1, 2, 3]))),
  of('broadcastTo', [[1, 3]], (x) => tf.square(tf.broadcastTo(x!, [2, 4, 3]))),
  of('slice', [[3, 4]], (x) => tf.square(tf.slice(x!, [1, 1], [2, -1]))),
  of('slice of rows', [[3, 4]], (x) => tf.square(tf.slice(x!, 1))),
  of('pad', [[2, 3]], (x) =>
    tf.square(
      tf.pad(
        x!,
        [
          [1, 0],
          [2, 1],
        ],
        0.5,
      ),
    ),
  ),
  of('mirrorPad reflect', [[3, 4]], (x) =>
    tf.square(
      tf.mirrorPad(
        x!,
        [
          [2, 1],
          [1, 3],
        ],
        'reflect',
      ),
    ),
  ),
  of('mirrorPad symmetric', [[3, 4]], (x) =>
    tf.square(
      tf.mirrorPad(
        x!,
        [
          [3, 1],
          [0, 4],
        ],
        'symmetric',
      ),
    ),
  ),
  of('stridedSlice', [[5, 6]], (x) => tf.square(tf.stridedSlice(x!, [0, 1], [5, 6], [2, 3]))),
  of('stridedSlice backwards', [[5, 6]], (x) => tf.square(tf.stridedSlice(x!, [4, 5], [0, 0], [-2, -1]))),
  of('stridedSlice of an element', [[5, 6]], (x) =>
    tf.square(tf.stridedSlice(x!, [2, 1], [3, 6], [1, 1], 0, 0, 0, 0, 1)),
  ),
  of('spaceToBatchND', [[1, 3, 4, 1]], (x) =>
    tf.square(
      tf.spaceToBatchND(
        x!,
        [2, 2],
        [
          [0, 1],
          [2, 0],
        ],
      ),
    ),
  ),
  of('batchToSpaceND', [[4, 1, 2, 1]], (x) =>
    tf.square(
      tf.batchToSpaceND(
        x!,
        [2, 2],
        [
          [0, 1],
          [1, 0],
        ],
      ),
    ),
  ),
  of('depthToSpace', [[1, 2, 1, 8]], (x) => tf.square(tf.depthToSpace(x! as tf.Tensor4D, 2, 'NHWC'))),
  of('diag', [[2, 2]], (x) => tf.square(tf.diag(x!))),
  of('flipLeftRight', [[1, 2, 3, 1]], (x) => tf.square(tf.image.flipLeftRight(x! as tf.Tensor4D))),
];

export const segmentRows: Row[] = [
  of('gather', [[4, 2]], (x) => tf.square(tf.gather(x!, ids([3, 1, 1])))),
  of('gather at indices of rank 2', [[4, 2]], (x) => tf.square(tf.gather(x!, ids([3, 1, 1, 0], [2, 2])))),
  of('gather along axis 1', [[2, 4, 3]], (x) => tf.square(tf.gather(x!, ids([3, 1, 1, 0], [2, 2]), 1))),
  of('gather along axis -1', [[2, 4]], (x) => tf.square(tf.gather(x!, ids([3, 1, 1]), -1))),
  of('gather with a batch axis', [[2, 3, 2]], (x) => tf.square(tf.gather(x!, ids([2, 2, 0, 1], [2, 2]), 1, 1))),
  of('gather with a batch axis, axis 2', [[2, 2, 3]], (x) => tf.square(tf.gather(x!, ids([2, 2, 0, 1], [2, 2]), 2, 1))),
  of('gatherND', [[3, 2, 2]], (x) => tf.square(tf.gatherND(x!, ids([2, 1, 0, 0, 2, 1], [3, 2])))),
  of('scatterND', [[3, 2]], (x) => tf.square(tf.scatterND(ids([2, 0, 2], [3, 1]), x!, [4, 2]))),
  of(
    'tensorScatterUpdate',
    [
      [4, 2],
      [2, 2],
    ],
    (x, u) => tf.square(tf.tensorScatterUpdate(x!, ids([2, 0], [2, 1]), u!)),
  ),
  of('sparseToDense', [[3], []], (v, d) => tf.square(tf.sparseToDense(ids([0, 2, 3]), v!, [5], d! as tf.Scalar))),
  of('unsortedSegmentSum', [[4, 2]], (x) => tf.square(tf.unsortedSegmentSum(x!, ids([2, 0, 2, 1]) as tf.Tensor1D, 3))),
  of('topk', [[2, 5]], (x) => tf.square(tf.topk(x!, 3).values)),
  of('sparseSegmentSum', [[4, 2]], (x) =>
    tf.square(tf.sparse.sparseSegmentSum(x!, ids([3, 1, 3]) as tf.Tensor1D, ids([0, 0, 1]) as tf.Tensor1D)),
  ),
  of('sparseSegmentMean', [[4, 2]], (x) =>
    tf.square(tf.sparse.sparseSegmentMean(x!, ids([3, 1, 3]) as tf.Tensor1D, ids([0, 0, 1]) as tf.Tensor1D)),
  ),
];
