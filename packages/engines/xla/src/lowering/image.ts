/**
 * Resizing images [B, H, W, C], its gradients, cropping and mirroring.
 *
 * Source positions depend on sizes alone, so they are computed here in double precision, as TensorFlow.js does, and
 * enter the program as small tables. Enlarging by a whole factor, the usual case, is a plain repetition.
 */
import { apply, applyScalar } from '../graph/broadcast.ts';
import { take } from '../graph/gather.ts';
import {
  add,
  broadcastInDim,
  compare,
  constant,
  convert,
  dotGeneral,
  iota,
  literal,
  maximum,
  minimum,
  multiply,
  reduce,
  reshape,
  reverse,
  select,
  slice,
  subtract,
  transpose,
  unary,
} from '../graph/hlo.ts';
import type { Node } from '../graph/node.ts';
import type { KernelCall, Lowerings } from './kernel.ts';

interface ResizeAttributes {
  readonly alignCorners: boolean;
  readonly halfPixelCenters: boolean;
  readonly size: [number, number];
}

/** Size of a source pixel step for each of `to` pixels. */
function stepOf(from: number, to: number, alignCorners: boolean): number {
  return alignCorners && to > 1 ? (from - 1) / (to - 1) : from / to;
}

/** The nearest source pixel of each of `to` pixels. */
function nearest(from: number, to: number, { alignCorners, halfPixelCenters }: ResizeAttributes): Int32Array {
  const step = stepOf(from, to, alignCorners);
  return Int32Array.from({ length: to }, (_, i) => {
    const at = step * (halfPixelCenters ? i + 0.5 : i);
    return Math.max(0, Math.min(from - 1, alignCorners ? Math.round(at) : Math.floor(at)));
  });
}

/** Two source pixels for each of `to` pixels, and how far it lies towards the second. */
function neighbours(
  from: number,
  to: number,
  { alignCorners, halfPixelCenters }: ResizeAttributes,
): { low: Int32Array; high: Int32Array; fraction: Float32Array } {
  const step = stepOf(from, to, alignCorners);
  const at = Array.from({ length: to }, (_, i) => (halfPixelCenters ? step * (i + 0.5) - 0.5 : step * i));
  const low = Int32Array.from(at, (x) => Math.max(0, Math.floor(x)));
  return {
    low,
    high: Int32Array.from(at, (x) => Math.min(from - 1, Math.ceil(x))),
    fraction: Float32Array.from(at, (x, i) => x - (low[i] as number)),
  };
}

/** The factor by which each source pixel is repeated, if all are repeated equally. */
function repetition(indices: Int32Array, from: number): number | undefined {
  const factor = indices.length / from;
  return Number.isInteger(factor) && indices.every((index, i) => index === Math.floor(i / factor)) ? factor : undefined;
}

/** Pixels `indices` of x along an axis. */
function pick(x: Node, indices: Int32Array, axis: number): Node {
  const from = x.shape[axis] as number;
  const to = indices.length;
  const factor = repetition(indices, from);
  if (factor !== undefined) {
    const spread = [...x.shape.slice(0, axis + 1), factor, ...x.shape.slice(axis + 1)];
    const kept = spread.map((_, i) => i).filter((i) => i !== axis + 1);
    return reshape(broadcastInDim(x, spread, kept), [...x.shape.slice(0, axis), to, ...x.shape.slice(axis + 1)]);
  }
  const stride = to > 1 ? (indices[1] as number) - (indices[0] as number) : 1;
  if (stride > 0 && indices.every((index, i) => index === (indices[0] as number) + i * stride)) {
    const first = indices[0] as number;
    return slice(
      x,
      x.shape.map((_, i) => (i === axis ? first : 0)),
      x.shape.map((size, i) => (i === axis ? first + (to - 1) * stride + 1 : size)),
      x.shape.map((_, i) => (i === axis ? stride : 1)),
    );
  }
  return take(x, literal(indices, 'i32', [to]), axis);
}

/** Linear interpolation along an axis. */
function interpolate(x: Node, to: number, axis: number, attributes: ResizeAttributes): Node {
  const { low, high, fraction } = neighbours(x.shape[axis] as number, to, attributes);
  const a = pick(x, low, axis);
  if (fraction.every((value) => value === 0)) return a;
  const weight = broadcastInDim(literal(fraction, 'f32', [to]), a.shape, [axis]);
  return add(a, multiply(subtract(pick(x, high, axis), a), weight));
}

/** dy [B, H', W', C] back to the pixels [B, H, W, C] with a weight table [size', size] for each axis. */
function gather(dy: Node, tables: readonly [Node, Node]): Node {
  const along = (x: Node, table: Node, axis: number): Node => {
    const dims = { lhsBatch: [], rhsBatch: [], lhsContract: [axis], rhsContract: [0] };
    const product = dotGeneral(x, table, dims, 'HIGHEST'); // the new axis comes last
    const order = [0, 1, 2, 3].map((i) => (i === axis ? 3 : i < axis ? i : i - 1));
    return transpose(product, order);
  };
  return along(along(dy, tables[0], 1), tables[1], 2);
}

/** 1 where a pixel of the table's rows [to] came from `indices`: f32 [to, from]. */
function oneHot(indices: Int32Array, from: number, weights?: Float32Array): Node {
  const shape = [indices.length, from];
  const hit = compare(
    'EQ',
    broadcastInDim(literal(indices, 'i32', [indices.length]), shape, [0]),
    iota('i32', shape, 1),
  );
  const on =
    weights === undefined
      ? constant(1, 'f32', shape)
      : broadcastInDim(literal(weights, 'f32', [weights.length]), shape, [0]);
  return select(hit, on, constant(0, 'f32', shape));
}

function resizeNearestGradient(call: KernelCall): Node {
  const [images, dy] = [call.inputs['images'] as { shape: number[] }, convert(call.node('dy'), 'f32')];
  const attributes = { ...call.attrs<ResizeAttributes>(), halfPixelCenters: false };
  const [batch, height, width, channels] = images.shape as [number, number, number, number];
  const rows = nearest(height, dy.shape[1] as number, attributes);
  const columns = nearest(width, dy.shape[2] as number, attributes);
  const [down, across] = [repetition(rows, height), repetition(columns, width)];
  if (down !== undefined && across !== undefined) {
    return reduce('add', reshape(dy, [batch, height, down, width, across, channels]), 0, [2, 4]);
  }
  return gather(dy, [oneHot(rows, height), oneHot(columns, width)]);
}

function resizeBilinearGradient(call: KernelCall): Node {
  const [images, dy] = [call.inputs['images'] as { shape: number[] }, convert(call.node('dy'), 'f32')];
  const attributes = { ...call.attrs<ResizeAttributes>(), halfPixelCenters: false };
  const table = (from: number, to: number): Node => {
    const { low, high, fraction } = neighbours(from, to, attributes);
    const rest = fraction.map((value) => 1 - value);
    return add(oneHot(low, from, rest), oneHot(high, from, fraction));
  };
  return gather(dy, [
    table(images.shape[1] as number, dy.shape[1] as number),
    table(images.shape[2] as number, dy.shape[2] as number),
  ]);
}

/** Boxes of images, resized: image [B, H, W, C], boxes [N, 4] as (y1, x1, y2, x2) in 0…1, boxInd [N] -> [N, h, w, C]. */
function cropAndResize(call: KernelCall): Node {
  const { cropSize, method, extrapolationValue } = call.attrs<{
    cropSize: [number, number];
    method: 'bilinear' | 'nearest';
    extrapolationValue: number;
  }>();
  const image = convert(call.node('image'), 'f32');
  const boxes = call.node('boxes');
  const owner = convert(call.node('boxInd'), 'i32');
  const [batch, height, width, channels] = image.shape as [number, number, number, number];
  const count = boxes.shape[0] as number;
  const column = (i: number): Node => slice(boxes, [0, i], [count, i + 1]); // [N, 1]
  /** Positions in the image along one axis: [N, size]. */
  const positions = (from: Node, to: Node, length: number, size: number): Node => {
    if (size === 1) return applyScalar('multiply', add(from, to), 0.5 * (length - 1));
    const step = applyScalar('multiply', subtract(to, from), (length - 1) / (size - 1));
    const start = applyScalar('multiply', from, length - 1);
    return apply('add', start, apply('multiply', iota('f32', [1, size], 1), step));
  };
  const rows = positions(column(0), column(2), height, cropSize[0]);
  const columns = positions(column(1), column(3), width, cropSize[1]);
  const shape = [count, ...cropSize];
  const spread = (x: Node, axis: 1 | 2): Node => broadcastInDim(x, shape, [0, axis]);
  const within = (x: Node, length: number): Node =>
    apply('and', compare('GE', x, constant(0, 'f32', x.shape)), compare('LE', x, constant(length - 1, 'f32', x.shape)));
  const limited = (x: Node, length: number): Node =>
    convert(minimum(maximum(x, constant(0, 'f32', x.shape)), constant(length - 1, 'f32', x.shape)), 'i32');
  const pixels = reshape(image, [batch * height * width, channels]);
  const offset = broadcastInDim(applyScalar('multiply', owner, height * width), shape, [0]);
  /** Pixels at given rows and columns: [N, h, w, C]. */
  const at = (y: Node, x: Node): Node => {
    const index = add(
      offset,
      add(applyScalar('multiply', spread(limited(y, height), 1), width), spread(limited(x, width), 2)),
    );
    return take(pixels, index, 0);
  };
  const full = [...shape, channels];
  const over = (x: Node): Node => broadcastInDim(x, full, [0, 1, 2]);
  let result: Node;
  if (method === 'bilinear') {
    const [top, left] = [unary('floor', rows), unary('floor', columns)];
    const [bottom, right] = [unary('ceil', rows), unary('ceil', columns)];
    const [down, across] = [over(spread(subtract(rows, top), 1)), over(spread(subtract(columns, left), 2))];
    const blend = (a: Node, b: Node, weight: Node): Node => add(a, multiply(subtract(b, a), weight));
    result = blend(
      blend(at(top, left), at(top, right), across),
      blend(at(bottom, left), at(bottom, right), across),
      down,
    );
  } else {
    const round = (x: Node): Node => unary('floor', applyScalar('add', x, 0.5));
    result = at(round(rows), round(columns));
  }
  const inside = apply('and', spread(within(rows, height), 1), spread(within(columns, width), 2));
  const known = broadcastInDim(compare('LT', owner, constant(batch, 'i32', owner.shape)), full, [0]);
  const filled = select(over(inside), result, constant(extrapolationValue, 'f32', full));
  return select(known, filled, constant(0, 'f32', full));
}

/** See the file header. */
export const images: Lowerings = {
  ResizeBilinear: (call) => {
    const attributes = call.attrs<ResizeAttributes>();
    const x = convert(call.node('images'), 'f32');
    // Rows last: the inner axis then has the original number of rows to work on.
    return interpolate(interpolate(x, attributes.size[1], 2, attributes), attributes.size[0], 1, attributes);
  },
  ResizeNearestNeighbor: (call) => {
    const attributes = call.attrs<ResizeAttributes>();
    const x = call.node('images');
    const [height, width] = attributes.size;
    const rows = pick(x, nearest(x.shape[1] as number, height, attributes), 1);
    return pick(rows, nearest(x.shape[2] as number, width, attributes), 2);
  },
  ResizeBilinearGrad: resizeBilinearGradient,
  ResizeNearestNeighborGrad: resizeNearestGradient,
  CropAndResize: cropAndResize,
  FlipLeftRight: (call) => reverse(call.node('image'), [2]),
};
