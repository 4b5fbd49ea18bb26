/**
 * Gradients of average and maximum pooling in 2-D and 3-D, and of the kernels that compute them.
 *
 * Average pooling is linear: its gradient kernel's own gradient is the pooling again. It averages over the elements of a
 * window that lie inside the image, while the gradient kernels of TensorFlow.js divide by the whole window; dy is scaled
 * by the ratio first, so borders are right too. Maximum pooling picks an element a window; the gradient of its gradient
 * kernel reads those same elements.
 */
import * as tf from '@tensorflow/tfjs-core';
import { gradient, gradientOfList, outputOr, zeros } from './gradient.ts';

type Attributes = Record<string, unknown>;

const run = (kernelName: string, inputs: Record<string, tf.Tensor>, attributes: Attributes): tf.Tensor =>
  tf.engine().runKernel(kernelName, inputs, attributes as unknown as tf.NamedAttrMap) as tf.Tensor;

/** Forward and gradient kernels of one average pooling over 2 or 3 axes. */
function averages(forward: string, backward: string, axes: 2 | 3): tf.GradConfig[] {
  const format = axes === 3 ? { dataFormat: 'NDHWC' } : {};
  return [
    gradient<Attributes>(forward, { inputs: ['x'] }, (dy, [x], attributes) => ({
      x: () => run(backward, { dy: tf.mul(dy, windowOverInside(x.shape, attributes, axes)), input: x }, attributes),
    })),
    gradient<Attributes>(backward, { inputs: ['input'] }, (ddx, [input], attributes) => ({
      dy: () =>
        tf.div(run(forward, { x: ddx }, { ...format, ...attributes }), windowOverInside(input.shape, attributes, axes)),
      input: () => zeros(input.shape),
    })),
  ];
}

const maxima = (forward: string, backward: string): tf.GradConfig =>
  gradient<Attributes>(forward, { inputs: ['x'], outputs: [true] }, (dy, [x, y], attributes) => ({
    x: () => run(backward, { dy, input: x, output: outputOr(y, () => run(forward, { x }, attributes)) }, attributes),
  }));

export const poolingGradients: tf.GradConfig[] = [
  ...averages('AvgPool', 'AvgPoolGrad', 2),
  ...averages('AvgPool3D', 'AvgPool3DGrad', 3),
  maxima('MaxPool', 'MaxPoolGrad'),
  maxima('MaxPool3D', 'MaxPool3DGrad'),
  gradientOfList<Attributes>('MaxPoolWithArgmax', { inputs: ['x'], outputs: [true] }, ([dy], [x, y], attributes) => ({
    x: () => (dy === undefined ? zeros(x.shape) : run('MaxPoolGrad', { dy, input: x, output: y }, attributes)),
  })),
  gradient<Attributes>('MaxPoolGrad', { inputs: ['input', 'output'] }, (ddx, [input, output], attributes) => ({
    dy: () => tf.reshape(tf.gather(tf.reshape(ddx, [-1]), tf.reshape(argmax(input, attributes), [-1])), output.shape),
    input: () => zeros(input.shape),
    output: () => zeros(output.shape),
  })),
];

/** Position in the flattened input [B H W C] of the element that each window picked. */
function argmax(x: tf.Tensor, { filterSize, strides, pad }: Attributes): tf.Tensor {
  const attributes = { filterSize, strides, pad, includeBatchInIndex: true };
  const [, indices] = tf
    .engine()
    .runKernel('MaxPoolWithArgmax', { x }, attributes as unknown as tf.NamedAttrMap) as tf.Tensor[];
  if (indices === undefined) throw new Error('internal: MaxPoolWithArgmax returned no indices.');
  return indices;
}

/** Size of the window over the number of its elements inside the image, [1, ...out, 1]; 1 when nothing is padded. */
function windowOverInside(shape: readonly number[], attributes: Attributes, axes: 2 | 3): tf.Tensor | number {
  const info = poolInfo(shape, attributes, axes);
  if (info.every(({ before, after }) => before === 0 && after === 0)) return 1;
  return info
    .map(({ size, filter, stride, before, out }, axis) => {
      const ratios = Array.from({ length: out }, (_, i) => {
        const start = i * stride - before;
        return filter / (Math.min(size, start + filter) - Math.max(0, start));
      });
      return tf.tensor(ratios, [1, ...info.map((_, a) => (a === axis ? out : 1)), 1]);
    })
    .reduce((a, b) => tf.mul(a, b));
}

interface PooledAxis {
  readonly size: number;
  readonly filter: number;
  readonly stride: number;
  readonly before: number;
  readonly after: number;
  readonly out: number;
}

function poolInfo(
  shape: readonly number[],
  { filterSize, strides, pad, dimRoundingMode }: Attributes,
  axes: 2 | 3,
): PooledAxis[] {
  const compute = axes === 2 ? tf.backend_util.computePool2DInfo : tf.backend_util.computePool3DInfo;
  const info = (
    compute as unknown as (...args: unknown[]) => Record<string, number> & { padInfo: Record<string, number> }
  )(shape, filterSize, strides, 1, pad, dimRoundingMode);
  const names: [string, string, string][] = [
    ...(axes === 3 ? [['Depth', 'front', 'back'] as [string, string, string]] : []),
    ['Height', 'top', 'bottom'],
    ['Width', 'left', 'right'],
  ];
  return names.map(([name, before, after]) => ({
    size: info[`in${name}`] ?? 1,
    filter: info[`filter${name}`] ?? 1,
    stride: info[`stride${name}`] ?? 1,
    out: info[`out${name}`] ?? 1,
    before: info.padInfo[before] ?? 0,
    after: info.padInfo[after] ?? 0,
  }));
}
