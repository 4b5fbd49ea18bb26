/**
 * Gradients of convolutions: 2-D, depthwise and 3-D, and of the kernels that compute those gradients, which are the
 * transposed convolutions. A convolution is bilinear, so each of the three kernels (forward, with respect to the input,
 * with respect to the filter) has the other two as its gradients, to any order.
 *
 * Dilation d: the filter is the plain filter with d - 1 zeros between its taps, and is made so before a backward kernel
 * sees it. TensorFlow.js refuses gradients there, and the depthwise backward kernels of its CPU backend ignore dilations.
 */
import * as tf from '@tensorflow/tfjs-core';
import { gradient } from './gradient.ts';
import { insertZeros, takeEvery } from './zeroInsertion.ts';

type Attributes = Record<string, unknown>;

const run = (kernelName: string, inputs: Record<string, tf.Tensor>, attributes: Attributes): tf.Tensor =>
  tf.engine().runKernel(kernelName, inputs, attributes as unknown as tf.NamedAttrMap) as tf.Tensor;

interface Kernels {
  readonly forward: string;
  readonly toInput: string;
  readonly toFilter: string;
  /** Spatial axes: 2 or 3. */
  readonly axes: number;
  /** Attributes that the backward kernels take from the forward one. */
  readonly shared: readonly string[];
}

/** The three rules of one family. */
function family({ forward, toInput, toFilter, axes, shared }: Kernels): tf.GradConfig[] {
  const undilated = Array<number>(axes).fill(1);
  const pick = (attributes: Attributes): Attributes => ({
    ...Object.fromEntries(shared.map((name) => [name, attributes[name]])),
    dilations: undilated,
  });
  const steps = (attributes: Attributes): number[] => {
    const dilations = (attributes['dilations'] ?? 1) as number | number[];
    const list = typeof dilations === 'number' ? Array<number>(axes).fill(dilations) : dilations;
    // The filter's layout is [...spatial, in, out].
    return [...list, 1, 1];
  };
  const dataFormat = axes === 2 ? 'NHWC' : 'NDHWC';
  // The backward kernels are run without dilation, their filter being spread already, so theirs is the plain convolution.
  const forwardAttributes = (attributes: Attributes): Attributes => ({
    dataFormat,
    ...pick(attributes),
  });

  return [
    gradient<Attributes>(forward, { inputs: ['x', 'filter'] }, (dy, [x, filter], attributes) => ({
      x: () =>
        run(
          toInput,
          { dy, filter: insertZeros(filter, steps(attributes)) },
          { ...pick(attributes), inputShape: x.shape },
        ),
      filter: () => {
        const step = steps(attributes);
        const filterShape = filter.shape.map((size, axis) => (size - 1) * (step[axis] ?? 1) + 1);
        return takeEvery(run(toFilter, { x, dy }, { ...pick(attributes), filterShape }), step);
      },
    })),
    gradient<Attributes>(toInput, { inputs: ['dy', 'filter'] }, (ddx, [dy, filter], attributes) => ({
      dy: () => run(forward, { x: ddx, filter }, forwardAttributes(attributes)),
      filter: () => run(toFilter, { x: ddx, dy }, { ...pick(attributes), filterShape: filter.shape }),
    })),
    gradient<Attributes>(toFilter, { inputs: ['x', 'dy'] }, (ddw, [x, dy], attributes) => ({
      x: () => run(toInput, { dy, filter: ddw }, { ...pick(attributes), inputShape: x.shape }),
      dy: () => run(forward, { x, filter: ddw }, forwardAttributes(attributes)),
    })),
  ];
}

export const convolutionGradients: tf.GradConfig[] = [
  ...family({
    forward: 'Conv2D',
    toInput: 'Conv2DBackpropInput',
    toFilter: 'Conv2DBackpropFilter',
    axes: 2,
    shared: ['strides', 'pad', 'dataFormat', 'dimRoundingMode'],
  }),
  ...family({
    forward: 'DepthwiseConv2dNative',
    toInput: 'DepthwiseConv2dNativeBackpropInput',
    toFilter: 'DepthwiseConv2dNativeBackpropFilter',
    axes: 2,
    shared: ['strides', 'pad', 'dimRoundingMode'],
  }),
  ...family({
    forward: 'Conv3D',
    toInput: 'Conv3DBackpropInputV2',
    toFilter: 'Conv3DBackpropFilterV2',
    axes: 3,
    shared: ['strides', 'pad'],
  }),
  ...dilation2dGradients(),
];

/** Grey-scale dilation, the maximum of x plus filter over a window: dy goes to the element that attained it. */
function dilation2dGradients(): tf.GradConfig[] {
  const { toInput, toFilter } = { toInput: 'Dilation2DBackpropInput', toFilter: 'Dilation2DBackpropFilter' };
  return [
    gradient<Attributes>('Dilation2D', { inputs: ['x', 'filter'] }, (dy, [x, filter], attributes) => ({
      x: () => run(toInput, { x, filter, dy }, attributes),
      filter: () => run(toFilter, { x, filter, dy }, attributes),
    })),
  ];
}
