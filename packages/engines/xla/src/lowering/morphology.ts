/** Greyscale dilation and its gradients: a maximum over windows of x plus a filter, [H, W, C] for each channel. */
import { tf } from '@tesserae/tensor';
import { broadcastTo } from '../graph/broadcast.ts';
import { add, concatenate, maximum, reduce, reshape, slice } from '../graph/hlo.ts';
import type { Window } from '../graph/hlo.ts';
import type { Node } from '../graph/node.ts';
import type { KernelCall, Lowerings } from './kernel.ts';
import { addTaps, largestTap, taps, whereChosen } from './windows.ts';

interface DilationAttributes {
  readonly strides: number | [number, number];
  readonly pad: 'same' | 'valid';
  readonly dilations: number | [number, number];
}

/** The taps of x, each with its element of the filter added. */
function raised(call: KernelCall): { parts: Node[]; window: Window; x: Node; filter: Node } {
  const { strides, pad, dilations } = call.attrs<DilationAttributes>();
  const [x, filter] = [call.node('x'), call.node('filter')];
  const info = tf.backend_util.computeDilation2DInfo(
    x.shape as [number, number, number, number],
    filter.shape as [number, number, number],
    strides,
    pad,
    'NHWC',
    dilations,
  );
  const { padInfo } = info;
  const window: Window = {
    size: [1, info.filterHeight, info.filterWidth, 1],
    strides: [1, info.strideHeight, info.strideWidth, 1],
    dilation: [1, info.dilationHeight, info.dilationWidth, 1],
    padding: [
      [0, 0],
      [padInfo.top, padInfo.bottom],
      [padInfo.left, padInfo.right],
      [0, 0],
    ],
  };
  const outside = x.type === 'i32' ? -(2 ** 30) : -Infinity;
  const rows = reshape(filter, [info.filterHeight * info.filterWidth, filter.shape[2] as number]);
  const channels = rows.shape[1] as number;
  const parts = taps(x, window, outside).map((tap, i) =>
    add(tap, broadcastTo(reshape(slice(rows, [i, 0], [i + 1, channels]), [channels]), tap.shape)),
  );
  return { parts, window, x, filter };
}

/** dy for the taps that were the maximum. */
function chosen(call: KernelCall): { gradients: Node[]; window: Window; x: Node; filter: Node } {
  const { parts, ...rest } = raised(call);
  const gradients = whereChosen(call.node('dy'), largestTap(parts, 'first').position, parts.length);
  return { gradients, ...rest };
}

/** See the file header. */
export const morphology: Lowerings = {
  Dilation2D: (call) => raised(call).parts.reduce(maximum),
  Dilation2DBackpropInput: (call) => {
    const { gradients, window, x } = chosen(call);
    return addTaps(gradients, window, x.shape);
  },
  Dilation2DBackpropFilter: (call) => {
    const { gradients, filter } = chosen(call);
    const rows = gradients.map((part) => reshape(reduce('add', part, 0, [0, 1, 2]), [1, filter.shape[2] as number]));
    return reshape(concatenate(rows, 0), filter.shape);
  },
};
