/**
 * Projective transforms of images, as TensorFlow.js's `image.transform`: each output pixel looks up the place in the
 * input that its transform maps it to.
 *
 * Places are computed in double precision as TensorFlow.js does, so that one halfway between two pixels rounds the same way.
 */
import { applyScalar, broadcastTo } from '../graph/broadcast.ts';
import { take } from '../graph/gather.ts';
import {
  add,
  binary,
  broadcastInDim,
  clamp,
  compare,
  constant,
  convert,
  divide,
  iota,
  multiply,
  reshape,
  select,
  slice,
  subtract,
  unary,
} from '../graph/hlo.ts';
import type { Node } from '../graph/node.ts';
import type { KernelCall, Lowerings } from './kernel.ts';

interface TransformAttributes {
  readonly interpolation: 'nearest' | 'bilinear';
  readonly fillMode: 'constant' | 'reflect' | 'wrap' | 'nearest';
  readonly fillValue: number;
  readonly outputShape?: readonly [number, number] | null;
}

const like = (x: Node, value: number): Node => constant(value, x.type, x.shape);
const within = (x: Node, high: number): Node => clamp(constant(0, x.type), x, constant(high, x.type));
/** The whole part of quotients that are not negative. */
const wholes = (x: Node, divisor: number): Node => unary('floor', applyScalar('divide', x, divisor));

/** [dcba|abcd|dcba], repeated. */
function reflected(at: Node, length: number): Node {
  const period = 2 * length;
  const below = add(applyScalar('multiply', wholes(unary('negate', at), period), period), at);
  const fromBelow = select(
    compare('LT', below, like(at, -length)),
    applyScalar('add', below, period),
    applyScalar('subtract', unary('negate', below), 1),
  );
  const above = subtract(at, applyScalar('multiply', wholes(at, period), period));
  const fromAbove = select(compare('GE', above, like(at, length)), subtract(like(at, period - 1), above), above);
  return select(
    compare('LT', at, like(at, 0)),
    fromBelow,
    select(compare('GT', at, like(at, length - 1)), fromAbove, at),
  );
}

/** [abcd|abcd|abcd]. The odd step between repetitions is TensorFlow's. */
function wrapped(at: Node, length: number): Node {
  const turns = (x: Node): Node => wholes(x, length - 1);
  const fromBelow = add(at, applyScalar('multiply', applyScalar('add', turns(unary('negate', at)), 1), length));
  const fromAbove = subtract(at, applyScalar('multiply', turns(at), length));
  return select(
    compare('LT', at, like(at, 0)),
    fromBelow,
    select(compare('GT', at, like(at, length - 1)), fromAbove, at),
  );
}

/** Where a place outside of [0, length - 1] is looked up. */
function mapped(at: Node, length: number, mode: TransformAttributes['fillMode']): Node {
  if (mode === 'constant') return at;
  if (length <= 1) return like(at, 0);
  if (mode === 'reflect') return within(reflected(at, length), length - 1);
  if (mode === 'wrap') return within(wrapped(at, length), length - 1);
  return within(at, length - 1);
}

/** See the file header: image [B, H, W, C], transforms [1 or B, 8] -> [B, H', W', C]. */
function transform(call: KernelCall): Node {
  const { interpolation, fillMode, fillValue, outputShape } = call.attrs<TransformAttributes>();
  const [image, transforms] = [call.node('image'), convert(call.node('transforms'), 'f64')];
  const [batch, height, width, channels] = image.shape as [number, number, number, number];
  const [outHeight, outWidth] = outputShape ?? [height, width];
  const places = [batch, outHeight, outWidth];

  const [x, y] = [iota('f64', places, 2), iota('f64', places, 1)];
  /** Entry i of each image's transform. */
  const entry = (i: number): Node => {
    const column = reshape(slice(transforms, [0, i], [transforms.shape[0] as number, i + 1]), [
      transforms.shape[0] as number,
    ]);
    return column.shape[0] === batch ? broadcastInDim(column, places, [0]) : broadcastTo(reshape(column, []), places);
  };
  const linear = (i: number): Node => add(multiply(entry(i), x), multiply(entry(i + 1), y));
  const projection = applyScalar('add', linear(6), 1);
  const column = mapped(divide(add(linear(0), entry(2)), projection), width, fillMode);
  const row = mapped(divide(add(linear(3), entry(5)), projection), height, fillMode);

  const pixels = reshape(image, [batch * height * width, channels]);
  const start = applyScalar('multiply', iota('i32', places, 0), height * width);
  const spread = (values: Node): Node => broadcastInDim(values, [...places, channels], [0, 1, 2]);
  const fill = constant(fillValue, 'f32', [...places, channels]);
  /** The pixels at whole places, f32 [B, H', W', C]; `fillValue` outside. */
  const read = (atRow: Node, atColumn: Node): Node => {
    const inside = (at: Node, size: number): Node =>
      binary('and', compare('GE', at, like(at, 0)), compare('LE', at, like(at, size - 1)));
    const index = (at: Node, size: number): Node => convert(within(at, size - 1), 'i32');
    const flat = add(start, add(applyScalar('multiply', index(atRow, height), width), index(atColumn, width)));
    const there = binary('and', inside(atRow, height), inside(atColumn, width));
    return select(spread(there), convert(take(pixels, flat, 0), 'f32'), fill);
  };
  const finite = compare('NE', projection, like(projection, 0));
  const place = (at: Node): Node => select(finite, at, like(at, -1));
  const rounded = (at: Node): Node => unary('floor', applyScalar('add', at, 0.5));

  let values: Node;
  if (interpolation === 'nearest') {
    values = read(rounded(place(row)), rounded(place(column)));
  } else if (interpolation === 'bilinear') {
    const [top, left] = [unary('floor', place(row)), unary('floor', place(column))];
    const [bottom, right] = [applyScalar('add', top, 1), applyScalar('add', left, 1)];
    const weight = (fraction: Node): Node => spread(convert(fraction, 'f32'));
    const [toRight, toBottom] = [weight(subtract(place(column), left)), weight(subtract(place(row), top))];
    const between = (a: Node, b: Node, share: Node): Node =>
      add(multiply(subtract(like(share, 1), share), a), multiply(share, b));
    values = between(
      between(read(top, left), read(top, right), toRight),
      between(read(bottom, left), read(bottom, right), toRight),
      toBottom,
    );
  } else {
    throw new Error(`transform: 'interpolation' must be 'nearest' or 'bilinear', but got '${String(interpolation)}'.`);
  }
  return convert(select(spread(finite), values, fill), image.type);
}

/** See the file header. */
export const transforms: Lowerings = { Transform: transform };
