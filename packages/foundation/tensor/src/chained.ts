/**
 * The chained methods of tensors, `x.add(y).relu()`, that TensorFlow.js documents.
 *
 * In Node, `@tensorflow/tfjs-core` resolves to a bundle that leaves them out, and its modules that add them cannot be
 * imported there. Nearly all of them are "the op of the same name with this tensor first", so one table serves: the
 * types come from TensorFlow.js, and the table must name exactly the methods that those types declare.
 */
import * as tf from '@tensorflow/tfjs-core';
import type {} from '@tensorflow/tfjs-core/dist/public/chained_ops/register_all_chained_ops.js';

type Method = (this: tf.Tensor, ...rest: never[]) => unknown;

/** Methods that are the op of the same name in `tf`, with the tensor as its first argument. */
const plainOps = [
  ...['abs', 'acos', 'acosh', 'add', 'all', 'any', 'argMax', 'argMin', 'asin', 'asinh', 'atan', 'atan2', 'atanh'],
  ...['avgPool', 'batchNorm', 'batchToSpaceND', 'broadcastTo', 'cast', 'ceil', 'clipByValue', 'conv1d', 'conv2d'],
  ...['conv2dTranspose', 'cos', 'cosh', 'cumprod', 'cumsum', 'depthToSpace', 'depthwiseConv2d', 'dilation2d', 'div'],
  ...['divNoNan', 'dot', 'elu', 'equal', 'erf', 'euclideanNorm', 'exp', 'expandDims', 'expm1', 'fft', 'floor'],
  ...['floorDiv', 'gather', 'greater', 'greaterEqual', 'ifft', 'irfft', 'isFinite', 'isInf', 'isNaN', 'leakyRelu'],
  ...['less', 'lessEqual', 'localResponseNormalization', 'log', 'log1p', 'logSigmoid', 'logSoftmax', 'logSumExp'],
  ...['logicalAnd', 'logicalNot', 'logicalOr', 'logicalXor', 'matMul', 'max', 'maxPool', 'maximum', 'mean', 'min'],
  ...['minimum', 'mirrorPad', 'mod', 'mul', 'neg', 'norm', 'notEqual', 'oneHot', 'onesLike', 'pad', 'pool', 'pow'],
  ...['prelu', 'prod', 'reciprocal', 'relu', 'relu6', 'reshape', 'reverse', 'rfft', 'round', 'rsqrt', 'selu'],
  ...['separableConv2d', 'sigmoid', 'sign', 'sin', 'sinh', 'slice', 'softmax', 'softplus', 'spaceToBatchND', 'split'],
  ...['sqrt', 'square', 'squaredDifference', 'squeeze', 'step', 'stridedSlice', 'sub', 'sum', 'tan', 'tanh', 'tile'],
  ...['topk', 'transpose', 'unique', 'unsortedSegmentSum', 'unstack', 'zerosLike'],
] as const;

/** Methods with a meaning of their own. */
const ownMethods: Record<string, (x: tf.Tensor, ...rest: never[]) => unknown> = {
  as1D: (x) => tf.reshape(x, [x.size]),
  as2D: (x, ...shape: [number, number]) => tf.reshape(x, shape),
  as3D: (x, ...shape: [number, number, number]) => tf.reshape(x, shape),
  as4D: (x, ...shape: [number, number, number, number]) => tf.reshape(x, shape),
  as5D: (x, ...shape: [number, number, number, number, number]) => tf.reshape(x, shape),
  asScalar: (x) => {
    if (x.size !== 1) {
      throw new Error(
        `asScalar: expected a tensor of one element, received shape [${x.shape}]. Use a reduction first.`,
      );
    }
    return tf.reshape(x, []);
  },
  asType: (x, dtype: tf.DataType) => tf.cast(x, dtype),
  toBool: (x) => tf.cast(x, 'bool'),
  toFloat: (x) => tf.cast(x, 'float32'),
  toInt: (x) => tf.cast(x, 'int32'),
  flatten: (x) => tf.reshape(x, [x.size]),
  reshapeAs: (x, other: tf.Tensor) => tf.reshape(x, other.shape),
  concat: (x, others: tf.Tensor | tf.Tensor[], axis?: number) =>
    tf.concat([x, ...(Array.isArray(others) ? others : [others])], axis),
  stack: (x, others: tf.Tensor | tf.Tensor[], axis?: number) =>
    tf.stack([x, ...(Array.isArray(others) ? others : [others])], axis),
  // Where the condition holds this tensor, elsewhere the other.
  where: (x, condition: tf.Tensor, other: tf.Tensor) => tf.where(condition, x, other),
  resizeBilinear: (x, ...rest: [[number, number], boolean?, boolean?]) =>
    tf.image.resizeBilinear(x as tf.Tensor4D, ...rest),
  resizeNearestNeighbor: (x, ...rest: [[number, number], boolean?, boolean?]) =>
    tf.image.resizeNearestNeighbor(x as tf.Tensor4D, ...rest),
};

/** Names of all chained methods. */
export const chainedOps: readonly string[] = [...plainOps, ...Object.keys(ownMethods)];

/**
 * Adds the chained methods to `tf.Tensor`. Methods that are there already, such as those of another copy of the
 * registration, are left alone; calling it again does nothing.
 */
export function registerChainedOps(): void {
  const ops = tf as unknown as Record<string, (...operands: unknown[]) => unknown>;
  for (const name of plainOps) {
    const op = ops[name];
    if (op === undefined) throw new Error(`internal: tf.${name} is missing from @tensorflow/tfjs-core.`);
    define(name, function (this: tf.Tensor, ...rest: never[]) {
      checkAlive(this);
      return op(this, ...rest);
    });
  }
  for (const [name, method] of Object.entries(ownMethods)) {
    define(name, function (this: tf.Tensor, ...rest: never[]) {
      checkAlive(this);
      return method(this, ...rest);
    });
  }
}

function define(name: string, method: Method): void {
  const prototype = tf.Tensor.prototype;
  if (name in prototype) return;
  Object.defineProperty(prototype, name, { value: method, writable: true, configurable: true, enumerable: true });
}

function checkAlive(x: tf.Tensor): void {
  if (x.isDisposed) throw new Error('Tensor is disposed.');
}
