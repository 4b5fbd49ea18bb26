/**
 * Where tfjs-node's kernels refuse or miss what TensorFlow.js promises, judged by its own tests: calls that go to the host
 * instead, and a few kernels that only need their arguments put right.
 */
import { registerHostKernels, tf } from '@tesserae/tensor';

type KernelCall = Parameters<tf.KernelFunc>[0];
interface Call extends KernelCall {
  readonly inputs: tf.NamedTensorMap;
  readonly attrs: tf.NamedAttrMap;
}

const always = (): boolean => true;
const input =
  (name: string, test: (x: tf.TensorInfo) => boolean) =>
  ({ inputs }: KernelCall): boolean =>
    test(inputs[name] as tf.TensorInfo);
const ofStrings = input('a', ({ dtype }) => dtype === 'string');

/** TensorFlow pools with the paddings 'same' and 'valid', and refuses windows that stick out of a valid image. */
const beyondTensorflow = ({ attrs, inputs }: KernelCall): boolean => {
  const { pad, filterSize } = attrs as { pad: unknown; filterSize: number | number[] };
  if (pad !== 'same' && pad !== 'valid') return true;
  const shape = (inputs['x'] ?? inputs['input'])?.shape as number[];
  const sizes = Array.isArray(filterSize) ? filterSize : shape.slice(1, -1).map(() => filterSize);
  return pad === 'valid' && sizes.some((size, axis) => size > shape[axis + 1]!);
};

/** Calls that the host computes. All are rare in models, but for explicitly padded pooling. */
const onHost: Readonly<Record<string, (call: KernelCall) => boolean>> = {
  ...Object.fromEntries(
    [
      'AvgPool',
      'AvgPoolGrad',
      'MaxPool',
      'MaxPoolGrad',
      'AvgPool3D',
      'AvgPool3DGrad',
      'MaxPool3D',
      'MaxPool3DGrad',
    ].map((name) => [name, beyondTensorflow]),
  ),
  // oneDNN finds no program for filters larger than the image.
  Conv2DBackpropInput: ({ inputs, attrs }) => {
    const [height, width] = (inputs['filter'] as tf.TensorInfo).shape as [number, number];
    const { inputShape: shape, dataFormat } = attrs as unknown as { inputShape: number[]; dataFormat?: string };
    const axis = dataFormat === 'NCHW' ? 2 : 1;
    return height > shape[axis]! || width > shape[axis + 1]!;
  },
  Diag: input('x', ({ dtype }) => dtype === 'bool'),
  FusedConv2D: ({ attrs }) => attrs?.['dataFormat'] === 'NCHW',
  Greater: ofStrings,
  GreaterEqual: ofStrings,
  Less: ofStrings,
  LessEqual: ofStrings,
  LeakyRelu: input('x', ({ dtype }) => dtype !== 'float32'),
  // TensorFlow goes on from one call to the next; the same seed should give the same draws.
  Multinomial: always,
  Step: input('x', ({ dtype }) => dtype !== 'float32'),
  // TensorFlow takes each NaN for another value.
  Unique: input('x', ({ dtype }) => dtype === 'float32'),
};

/** Kernels whose own kernel, called with other arguments, does it. */
const rewritten: Readonly<Record<string, (call: Call, own: tf.KernelFunc) => tf.Tensor>> = {
  Conv2DBackpropInput: transposedConvolution,
  Conv2DBackpropFilter: filterGradient,
  // A vector of indices means one index for each entry, not one index of that many parts.
  ScatterNd: ({ inputs, ...rest }, own) => {
    const indices = inputs['indices']!;
    return run(own, rest, { ...inputs, indices: indices.rank === 1 ? tf.expandDims(indices, 1) : indices });
  },
  // Whole numbers are round already; TensorFlow rounds them by way of floats.
  Round: ({ inputs, ...rest }, own) => {
    const x = inputs['x']!;
    return x.dtype === 'float32' ? run(own, rest, inputs) : tf.clone(x);
  },
  // TensorFlow sums over more equations than TensorFlow.js defines, and makes up axes that no operand has.
  Einsum: ({ inputs, attrs, ...rest }, own) => {
    tf.backend_util.decodeEinsumEquation(attrs['equation'] as string, Object.keys(inputs).length);
    return run(own, { ...rest, attrs }, inputs);
  },
  // The sign of NaN is 0 in TensorFlow.js.
  Sign: ({ inputs, ...rest }, own) => {
    const x = inputs['x']!;
    const sign = run(own, rest, inputs);
    return x.dtype === 'float32' ? tf.where(tf.isNaN(x), tf.zerosLike(x), sign) : sign;
  },
};

/**
 * The gradient of a convolution by its image for explicit paddings, which the kernel refuses: that of the image with its
 * border, without padding, less the border.
 */
function transposedConvolution({ inputs, attrs, ...rest }: Call, own: tf.KernelFunc): tf.Tensor {
  const { inputShape } = attrs as { inputShape: number[] };
  const borders = explicitBorders(attrs, inputShape);
  if (borders === undefined) return run(own, { ...rest, attrs }, inputs);
  const padded = inputShape.map((size, axis) => size + borders[axis]![0] + borders[axis]![1]);
  const whole = run(own, { ...rest, attrs: { ...attrs, pad: 'valid', inputShape: padded } }, inputs);
  const start = borders.map(([before]) => before);
  return tf.slice(whole, start, inputShape);
}

/** The gradient by the filter for explicit paddings: that of the image with its border, without padding. */
function filterGradient({ inputs, attrs, ...rest }: Call, own: tf.KernelFunc): tf.Tensor {
  const x = inputs['x']!;
  const borders = explicitBorders(attrs, x.shape);
  if (borders === undefined) return run(own, { ...rest, attrs }, inputs);
  return run(own, { ...rest, attrs: { ...attrs, pad: 'valid' } }, { ...inputs, x: tf.pad(x, borders) });
}

/** Zeros before and after along each axis, [n, h, w, c] or [n, c, h, w]; undefined for 'same' and 'valid'. */
function explicitBorders(attrs: Call['attrs'], shape: readonly number[]): [number, number][] | undefined {
  const { pad, dataFormat } = attrs as { pad: string | number | [number, number][]; dataFormat?: string };
  if (typeof pad === 'string') return undefined;
  if (Array.isArray(pad)) return pad;
  const height = dataFormat === 'NCHW' ? 2 : 1;
  return shape.map((_, axis) => (axis === height || axis === height + 1 ? [pad, pad] : [0, 0]));
}

// tfjs-node's kernels return tensors, not only what describes them.
function run(own: tf.KernelFunc, rest: Omit<KernelCall, 'inputs'>, inputs: tf.NamedTensorMap): tf.Tensor {
  return own({ ...rest, inputs }) as tf.Tensor;
}

/**
 * Completes and repairs the kernels that are registered for a backend of tfjs-node. Once for each process.
 *
 * @param backendName its name
 * @param onHostCall told about each kernel call that the host computes
 */
export async function repairKernels(backendName: string, onHostCall: (kernelName: string) => void): Promise<void> {
  for (const [kernelName, kernel] of Object.entries(rewritten)) {
    const own = tf.getKernel(kernelName, backendName);
    tf.unregisterKernel(kernelName, backendName);
    tf.registerKernel({
      ...own,
      kernelFunc: (call) => tf.tidy(() => kernel(call as Call, own.kernelFunc)),
    });
  }
  await registerHostKernels(backendName, { instead: onHost, onCall: onHostCall });
}
