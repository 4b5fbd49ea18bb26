/**
 * The kernels that the WebAssembly backend gets: those it lacks, and better ones where its own is wrong or many times
 * slower than a matrix product or a plain loop. Whatever the CPU backend has beyond that runs on the host.
 */
import * as tf from '@tensorflow/tfjs-core';
import { convolutionInfo, poolingInfo, withExactBorder } from './borders.ts';
import { complex, complexAbs, fourierKernel, partKernel, readComplex } from './complex.ts';
import { conv2dBackpropFilter, conv2dBackpropInput, hasForwardShape } from './convolution.ts';
import { conv3d, conv3dBackpropFilter, conv3dBackpropInput } from './convolution3d.ts';
import { einsumKernel } from './cpuRepairs.ts';
import { depthwiseBackpropFilter, depthwiseBackpropInput } from './depthwise.ts';
import { arithmeticKernels, binaryKernels, select } from './elementwise.ts';
import { cos, sin, tanh } from './functions.ts';
import { hostKernel } from './hostBridge.ts';
import { gather, scatterNd, unsortedSegmentSum } from './indexed.ts';
import { batchMatMul } from './matmul.ts';
import { castToBool, oneHot, reverse, slice, splitV, stridedSlice, tile } from './movement.ts';
import { maxPool3d, maxPoolGrad, maxPoolWithArgmax } from './pooling.ts';
import { sumOfRows } from './reduction.ts';
import { composed, presentKernel, replaceKernel, type Kernel } from './register.ts';
import { reshaped, sizeOf, values, type KernelArgs, type WasmBackend } from './wasmBackend.ts';

const replace = (kernelName: string, kernel: Kernel): void => replaceKernel('wasm', kernelName, kernel);
const present = (kernelName: string): Kernel => presentKernel('wasm', kernelName);

/** Kernels that the CPU backend has for complex64 too. */
const complexKernels = ['Add', 'Sub', 'Multiply', 'Concat', 'ZerosLike', 'OnesLike', 'Cast'];

/** Kernels replaced here that also take strings, whose values are not on the heap. */
const stringKernels = [
  ...['Slice', 'SplitV', 'StridedSlice', 'Reverse', 'Tile', 'Select'],
  ...['SparseToDense', 'Equal', 'NotEqual', 'Greater', 'GreaterEqual', 'Less', 'LessEqual'],
];

/** Whether the smaller operand is a scalar, or the last axes of the other: what the compiled loops are fast at. */
function plainBroadcast(a: tf.TensorInfo, b: tf.TensorInfo): boolean {
  const [long, short] = a.shape.length >= b.shape.length ? [a.shape, b.shape] : [b.shape, a.shape];
  if (sizeOf(short) === 1) return true;
  const lead = long.length - short.length;
  return short.every((size, axis) => size === long[axis + lead]);
}

/** Enters all of them. */
export function registerWasmKernels(backend: WasmBackend): void {
  readComplex(backend);
  matrixKernels();
  elementwiseKernels();
  movementKernels();
  complexAndHostKernels();
}

function matrixKernels(): void {
  replace('BatchMatMul', batchMatMul);
  replace('_FusedMatMul', composed(fusedMatMul));
  replace('Einsum', einsumKernel);

  const input2d = present('Conv2DBackpropInput');
  replace('Conv2DBackpropInput', (args) =>
    channelsLast(args) && hasForwardShape(args) ? conv2dBackpropInput(args) : input2d(args),
  );
  const filterOnHost = onHost('Conv2DBackpropFilter');
  replace('Conv2DBackpropFilter', (args) => (channelsLast(args) ? conv2dBackpropFilter(args) : filterOnHost(args)));

  borderedKernels();

  replace('DepthwiseConv2dNativeBackpropFilter', depthwiseBackpropFilter);
  replace('DepthwiseConv2dNativeBackpropInput', depthwiseBackpropInput);
  replace(
    'Conv3D',
    composed(({ x, filter }, attrs) => conv3d(x as tf.Tensor, filter as tf.Tensor, attrs as never)),
  );
  replace(
    'Conv3DBackpropFilterV2',
    composed(({ x, dy }, attrs) =>
      conv3dBackpropFilter(x as tf.Tensor, dy as tf.Tensor, attrs['filterShape'] as number[], attrs as never),
    ),
  );
  replace(
    'Conv3DBackpropInputV2',
    composed(({ dy, filter }, attrs) =>
      conv3dBackpropInput(dy as tf.Tensor, filter as tf.Tensor, attrs['inputShape'] as number[], attrs as never),
    ),
  );
}

const onHost = (kernelName: string): Kernel => hostKernel(kernelName) as unknown as Kernel;
const channelsLast = ({ attrs }: KernelArgs): boolean => (attrs['dataFormat'] ?? 'NHWC') === 'NHWC';

/** Forward kernels of XNNPACK that slide a window. */
function borderedKernels(): void {
  for (const name of ['AvgPool', 'MaxPool']) {
    replace(name, withExactBorder(present(name), onHost(name), poolingInfo));
  }
  replace('MaxPoolGrad', maxPoolGrad);
  replace('MaxPool3DGrad', maxPoolGrad);
  replace('MaxPool3D', maxPool3d);
  replace('MaxPoolWithArgmax', maxPoolWithArgmax);
  const conv2d = withExactBorder(present('Conv2D'), onHost('Conv2D'), convolutionInfo(false));
  const conv2dChannelsFirst = channelsFirst('Conv2D');
  replace('Conv2D', (args) => (channelsLast(args) ? conv2d(args) : conv2dChannelsFirst(args)));
  const depthwise = 'DepthwiseConv2dNative';
  replace(depthwise, withExactBorder(present(depthwise), onHost(depthwise), convolutionInfo(true)));
  for (const [fused, plain] of [
    ['FusedConv2D', 'Conv2D'],
    ['FusedDepthwiseConv2D', depthwise],
  ] as const) {
    const parts = fusedConvolution(plain);
    const compiled = withExactBorder(present(fused), parts, convolutionInfo(plain === depthwise));
    replace(fused, (args) => {
      const { bias, preluActivationWeights } = args.inputs as Record<string, tf.TensorInfo | undefined>;
      // The kernel looks at the shape that the memory was made with.
      const plainBias =
        bias === undefined || (args.backend.dataIdMap.get(bias.dataId) as unknown as tf.TensorInfo).shape.length === 1;
      return plainBias && preluActivationWeights === undefined && channelsLast(args) ? compiled(args) : parts(args);
    });
  }
}

/** Convolutions with channels first, which the backend refuses: turned to channels last and back. */
function channelsFirst(kernelName: string): Kernel {
  return composed((inputs, attrs) => {
    const x = tf.transpose(inputs['x'] as tf.Tensor, [0, 2, 3, 1]);
    const { pad } = attrs;
    const last = Array.isArray(pad) ? [pad[0], pad[2], pad[3], pad[1]] : pad;
    const turned = { ...attrs, pad: last, dataFormat: 'NHWC' } as tf.NamedAttrMap;
    const y = tf.engine().runKernel(kernelName, { ...inputs, x }, turned);
    return tf.transpose(y as tf.Tensor, [0, 3, 1, 2]);
  });
}

/** A fused convolution as its parts, for what the fused kernel refuses: other biases than one number a channel. */
function fusedConvolution(kernelName: string): Kernel {
  return composed(({ x, filter, bias, preluActivationWeights }, attrs) => {
    const inputs = { x: x as tf.Tensor, filter: filter as tf.Tensor };
    let y = tf.engine().runKernel(kernelName, inputs, attrs as tf.NamedAttrMap) as tf.Tensor;
    // One number a channel lines up with the first of the last three axes when channels come first.
    const aligned = (t: tf.Tensor): tf.Tensor =>
      attrs['dataFormat'] === 'NCHW' && t.rank === 1 ? tf.reshape(t, [-1, 1, 1]) : t;
    if (bias !== undefined) y = tf.add(y, aligned(bias));
    return activated(y, attrs, preluActivationWeights && aligned(preluActivationWeights));
  });
}

function fusedMatMul(inputs: Record<string, tf.Tensor | undefined>, attrs: Record<string, unknown>): tf.Tensor {
  const { a, b, bias, preluActivationWeights: weights } = inputs;
  let y = tf.matMul(a as tf.Tensor, b as tf.Tensor, attrs['transposeA'] === true, attrs['transposeB'] === true);
  if (bias !== undefined) y = tf.add(y, bias);
  return activated(y, attrs, weights);
}

function activated(y: tf.Tensor, attrs: Record<string, unknown>, weights: tf.Tensor | undefined): tf.Tensor {
  switch (attrs['activation']) {
    case 'relu':
      return tf.relu(y);
    case 'relu6':
      return tf.relu6(y);
    case 'elu':
      return tf.elu(y);
    case 'sigmoid':
      return tf.sigmoid(y);
    case 'prelu':
      return tf.prelu(y, weights as tf.Tensor);
    case 'leakyrelu':
      return tf.leakyRelu(y, (attrs['leakyreluAlpha'] ?? 0.2) as number);
    default:
      return y;
  }
}

/** Comparisons whose compiled loops are the faster ones where operands run side by side. */
const compiledComparisons = ['Equal', 'NotEqual', 'Greater', 'GreaterEqual', 'Less', 'LessEqual'];

function elementwiseKernels(): void {
  for (const [name, kernel] of Object.entries(binaryKernels)) {
    const loop = kernel as unknown as Kernel;
    if (!compiledComparisons.includes(name)) {
      replace(name, loop);
      continue;
    }
    const compiled = present(name);
    replace(name, (args) => {
      const { a, b } = args.inputs as { a: tf.TensorInfo; b: tf.TensorInfo };
      return plainBroadcast(a, b) ? compiled(args) : loop(args);
    });
  }
  for (const [name, kernel] of Object.entries(arithmeticKernels)) {
    const compiled = present(name);
    const loop = kernel as unknown as Kernel;
    replace(name, (args) => {
      const { a, b } = args.inputs as { a: tf.TensorInfo; b: tf.TensorInfo };
      return Math.max(a.shape.length, b.shape.length) > 6 ? loop(args) : compiled(args);
    });
  }
  replace('Select', select as unknown as Kernel);
  const prelu = present('Prelu');
  const preluOfAny = composed(({ x, alpha }) => {
    const [value, slope] = [x as tf.Tensor, alpha as tf.Tensor];
    return tf.where(tf.greater(value, 0), value, tf.mul(value, slope));
  });
  // The compiled one takes one slope for each element of the last axis, whatever the shape of alpha.
  replace('Prelu', (args) => {
    const { x, alpha } = args.inputs as { x: tf.TensorInfo; alpha: tf.TensorInfo };
    return alpha.shape.length === 1 && alpha.shape[0] === x.shape.at(-1) ? prelu(args) : preluOfAny(args);
  });
  for (const [name, kernel] of Object.entries({ Tanh: tanh, Sin: sin, Cos: cos })) {
    const compiled = present(name);
    replace(name, (args) => ((args.inputs['x'] as tf.TensorInfo).dtype === 'float32' ? kernel(args) : compiled(args)));
  }
  replace('ClipByValue', clip);
  // For integers these take the bits for a float.
  for (const [name, answer] of [
    ['IsNan', 0],
    ['IsInf', 0],
    ['IsFinite', 1],
  ] as const) {
    const compiled = present(name);
    replace(name, (args) => {
      const { x } = args.inputs as { x: tf.TensorInfo };
      if (x.dtype === 'float32') return compiled(args);
      const out = args.backend.makeOutput(x.shape, 'bool');
      values(args.backend, out).fill(answer);
      return out;
    });
  }
}

/** The backend's own takes integers for floats, and turns NaN into the lower bound. */
function clip({ inputs, attrs, backend }: KernelArgs): tf.TensorInfo {
  const { x } = inputs as { x: tf.TensorInfo };
  const { clipValueMin, clipValueMax } = attrs as unknown as tf.ClipByValueAttrs;
  const out = backend.makeOutput(x.shape, x.dtype);
  const [from, to] = [values(backend, x), values(backend, out)];
  for (let i = 0; i < to.length; i++) to[i] = Math.min(clipValueMax, Math.max(clipValueMin, from[i] as number));
  return out;
}

function movementKernels(): void {
  const movements = {
    Slice: slice,
    SplitV: splitV,
    StridedSlice: stridedSlice,
    Reverse: reverse,
    Tile: tile,
    GatherV2: gather,
    ScatterNd: scatterNd,
    UnsortedSegmentSum: unsortedSegmentSum,
    OneHot: oneHot,
  };
  for (const [name, kernel] of Object.entries(movements)) replace(name, kernel);
  const cast = present('Cast');
  replace('Cast', (args) => {
    const { x } = args.inputs as { x: tf.TensorInfo };
    return args.attrs['dtype'] === 'bool' && x.dtype !== 'bool' ? castToBool(x, args) : cast(args);
  });
  for (const name of ['Sum', 'Mean']) {
    const compiled = present(name);
    replace(name, (args) => sumOfRows(args, name === 'Mean') ?? compiled(args));
  }
  for (const name of stringKernels) {
    const kernel = present(name);
    const strings = onHost(name);
    replace(name, (args) => (someInput(args, 'string') ? strings(args) : kernel(args)));
  }
}

const someInput = ({ inputs }: KernelArgs, dtype: tf.DataType): boolean =>
  Object.values(inputs).some((x) => x?.dtype === dtype);

/** A second reference to the same memory, where the backend would copy. Every tensor that a gradient saves is one. */
function identity(args: KernelArgs, compiled: Kernel): ReturnType<Kernel> {
  const { x } = args.inputs as { x: tf.TensorInfo };
  return x.dtype === 'string' ? compiled(args) : reshaped(args.backend, x, x.shape);
}

function complexAndHostKernels(): void {
  const copy = present('Identity');
  replace('Identity', (args) => identity(args, copy));
  const bincount = present('Bincount');
  replace('Bincount', (args) => {
    const { x } = args.inputs as { x: tf.TensorInfo };
    return bincount({ ...args, inputs: { ...args.inputs, x: { ...x, shape: [sizeOf(x.shape)] } } });
  });
  const fill = present('Fill');
  const fillOnHost = onHost('Fill');
  replace('Fill', (args) => (typeof args.attrs['value'] === 'string' ? fillOnHost(args) : fill(args)));
  replaceKernel('wasm', 'Complex', complex, (backend) => readComplex(backend as WasmBackend));
  replace('Real', partKernel(0));
  replace('Imag', partKernel(1));
  replace('ComplexAbs', complexAbs);
  replace('FFT', fourierKernel(false));
  replace('IFFT', fourierKernel(true));
  for (const name of complexKernels) {
    const real = present(name);
    const complexOnHost = onHost(name);
    replace(name, (args) =>
      someInput(args, 'complex64') || args.attrs?.['dtype'] === 'complex64' ? complexOnHost(args) : real(args),
    );
  }
  for (const { kernelName } of tf.getKernelsForBackend('cpu')) {
    if (tf.getKernel(kernelName, 'wasm') === undefined) replace(kernelName, onHost(kernelName));
  }
}
