/** Convolutions and their gradients against the plain CPU backend. */
import { tf } from '@tesserae/tensor';
import { conformance, on } from '../testing/conformance.ts';
import { floats } from '../testing/specimens.ts';
import { convolutions } from './convolution.ts';

const close = { rtol: 1e-4, atol: 1e-4 };
const explicit = [
  [0, 0],
  [2, 1],
  [0, 3],
  [0, 0],
];
const forms = [
  { strides: [1, 1], pad: 'same', dilations: [1, 1] },
  { strides: [2, 2], pad: 'same', dilations: [1, 1] },
  { strides: [2, 1], pad: 'valid', dilations: [1, 1] },
  { strides: [1, 1], pad: 'same', dilations: [2, 1] },
  { strides: [2, 2], pad: 1, dilations: [1, 1] },
  { strides: [1, 2], pad: explicit, dilations: [1, 1] },
  { strides: [3, 3], pad: 'valid', dilations: [1, 1] },
].map((a) => ({ ...a, dataFormat: 'NHWC' }));

const x = [2, 7, 6, 3];
const filters = [
  [3, 3, 3, 4],
  [2, 1, 3, 5],
  [1, 1, 3, 2],
];
const plane = filters.flatMap((filter) =>
  forms.map((a) => {
    const info = tf.backend_util.computeConv2DInfo(
      x as [number, number, number, number],
      filter as [number, number, number, number],
      a.strides as [number, number],
      a.dilations as [number, number],
      a.pad as number,
    );
    return { a, filter, y: info.outShape };
  }),
);
const depthwise = [
  [3, 2, 3, 1],
  [3, 3, 3, 2],
].flatMap((filter) =>
  forms.map((a) => {
    const info = tf.backend_util.computeConv2DInfo(
      x as [number, number, number, number],
      filter as [number, number, number, number],
      a.strides as [number, number],
      a.dilations as [number, number],
      a.pad as number,
      undefined,
      true,
    );
    return { a, filter, y: info.outShape };
  }),
);
const v = [2, 5, 4, 6, 2];
const volumes = [
  { strides: [1, 1, 1], pad: 'same', dilations: [1, 1, 1] },
  { strides: [2, 1, 2], pad: 'same', dilations: [1, 1, 1] },
  { strides: [2, 2, 2], pad: 'valid', dilations: [1, 1, 1] },
].flatMap((a) =>
  [
    [3, 2, 3, 2, 3],
    [2, 2, 2, 2, 4],
  ].map((filter) => {
    const info = tf.backend_util.computeConv3DInfo(
      v as [number, number, number, number, number],
      filter as [number, number, number, number, number],
      a.strides as [number, number, number],
      1,
      a.pad as 'same',
    );
    return { a: { ...a, dataFormat: 'NDHWC' }, filter, y: info.outShape };
  }),
);
const fused = { strides: [2, 1], pad: 'same', dilations: [1, 1], dataFormat: 'NHWC' };
// TensorFlow.js's gradients know no dilation.
const undilated = <T extends { a: { dilations: number[] } }>(cases: T[]): T[] =>
  cases.filter(({ a }) => a.dilations.every((d) => d === 1));

await conformance('convolutions', convolutions, {
  Conv2D: plane.map(({ a, filter }) => on({ x: floats(...x), filter: floats(...filter) }, a, close)),
  Conv2DBackpropInput: undilated(plane).map(({ a, filter, y }) =>
    on({ dy: floats(...y), filter: floats(...filter) }, { ...a, inputShape: x }, close),
  ),
  Conv2DBackpropFilter: undilated(plane).map(({ a, filter, y }) =>
    on({ x: floats(...x), dy: floats(...y) }, { ...a, filterShape: filter }, close),
  ),
  FusedConv2D: [
    ...['linear', 'relu', 'sigmoid'].map((activation) =>
      on({ x: floats(...x), filter: floats(3, 3, 3, 4), bias: floats(4) }, { ...fused, activation }, close),
    ),
    on(
      { x: floats(...x), filter: floats(3, 3, 3, 4), bias: floats(4), preluActivationWeights: floats(4) },
      { ...fused, activation: 'prelu' },
      close,
    ),
  ],
  DepthwiseConv2dNative: depthwise.map(({ a, filter }) => on({ x: floats(...x), filter: floats(...filter) }, a, close)),
  FusedDepthwiseConv2D: ['linear', 'relu6'].map((activation) =>
    on({ x: floats(...x), filter: floats(3, 3, 3, 2), bias: floats(6) }, { ...fused, activation }, close),
  ),
  DepthwiseConv2dNativeBackpropInput: undilated(depthwise).map(({ a, filter, y }) =>
    on({ dy: floats(...y), filter: floats(...filter) }, { ...a, inputShape: x }, close),
  ),
  DepthwiseConv2dNativeBackpropFilter: undilated(depthwise).map(({ a, filter, y }) =>
    on({ x: floats(...x), dy: floats(...y) }, { ...a, filterShape: filter }, close),
  ),
  Conv3D: volumes.map(({ a, filter }) => on({ x: floats(...v), filter: floats(...filter) }, a, close)),
  Conv3DBackpropInputV2: volumes.map(({ a, filter, y }) =>
    on({ dy: floats(...y), filter: floats(...filter) }, { strides: a.strides, pad: a.pad, inputShape: v }, close),
  ),
  Conv3DBackpropFilterV2: volumes.map(({ a, filter, y }) =>
    on({ x: floats(...v), dy: floats(...y) }, { strides: a.strides, pad: a.pad, filterShape: filter }, close),
  ),
});
