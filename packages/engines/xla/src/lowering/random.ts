/**
 * Philox4x32-10 as elementwise integer arithmetic, so that it fuses with what uses the numbers. The layout of counters
 * and words is that of @tesserae/tensor's philox.ts, bit for bit.
 */
import { isTracing, random as philox, type tf } from '@tesserae/tensor';
import { broadcastTo } from '../graph/broadcast.ts';
import { add, binary, bitcast, concatenate, constant, convert, iota, multiply, reshape, slice } from '../graph/hlo.ts';
import { sizeOf } from '../graph/node.ts';
import type { Node } from '../graph/node.ts';
import type { KernelCall, Lowered, Lowerings } from './kernel.ts';

const multipliers = [0xd2511f53, 0xcd9e8d57] as const;
const weyl = [0x9e3779b9, 0xbb67ae85] as const;
const rounds = 10;
/** Draws of more elements are left to the device even when the key is known. */
const hostLimit = 2 ** 22;

/** The four words of blocks whose counters are given, all ui32 of one shape. */
function philoxRounds(
  counter: readonly [Node, Node, Node, Node],
  key: readonly [Node, Node],
): [Node, Node, Node, Node] {
  const { shape } = counter[0];
  const word = (value: number): Node => constant(value, 'ui32', shape);
  const multiplyWide = (x: Node, factor: number): { high: Node; low: Node } => {
    const product = multiply(convert(x, 'ui64'), constant(factor, 'ui64', shape));
    const high = convert(binary('shift_right_logical', product, constant(32, 'ui64', shape)), 'ui32');
    return { high, low: multiply(x, word(factor)) };
  };
  let [c0, c1, c2, c3] = counter;
  let [k0, k1] = key;
  for (let round = 0; round < rounds; round++) {
    const a = multiplyWide(c0, multipliers[0]);
    const b = multiplyWide(c2, multipliers[1]);
    [c0, c1, c2, c3] = [
      binary('xor', binary('xor', b.high, c1), k0),
      b.low,
      binary('xor', binary('xor', a.high, c3), k1),
      a.low,
    ];
    if (round < rounds - 1) [k0, k1] = [add(k0, word(weyl[0])), add(k1, word(weyl[1]))];
  }
  return [c0, c1, c2, c3];
}

/** Word i of a key, spread over a shape. */
function keyWord(key: Node, i: number, shape: readonly number[]): Node {
  return broadcastTo(reshape(bitcast(slice(key, [i], [i + 1]), 'ui32'), []), shape);
}

/** `size` words of a stream: [size], ui32. */
function stream(key: Node, number: number, size: number): Node {
  const blocks = Math.ceil(size / 4);
  const shape = [blocks];
  const zero = constant(0, 'ui32', shape);
  const words = philoxRounds(
    [iota('ui32', shape, 0), zero, zero, constant(number, 'ui32', shape)],
    [keyWord(key, 0, shape), keyWord(key, 1, shape)],
  );
  // [blocks, 4]: the words of a block lie side by side.
  const table = concatenate(
    words.map((word) => reshape(word, [blocks, 1])),
    1,
  );
  return slice(reshape(table, [4 * blocks]), [0], [size]);
}

function words(call: KernelCall): { bits: Node; shape: readonly number[] } {
  const { shape, stream: number } = call.attrs<{ shape: number[]; stream: number }>();
  return { bits: reshape(stream(call.node('key'), number, sizeOf(shape)), shape), shape };
}

/**
 * The key's words, where the host knows them and nothing is being traced. Numbers drawn once, such as initial weights,
 * are then made on the host: compiling a program for each shape would take longer than drawing them.
 */
function hostKey(call: KernelCall): [number, number] | undefined {
  const { host } = call.backend.dataOf((call.inputs['key'] as tf.TensorInfo).dataId).node ?? {};
  if (host === undefined || isTracing()) return undefined;
  return [host[0] as number, host[1] as number];
}

function hostDraw(call: KernelCall, draw: typeof philox.philoxBits | typeof philox.philoxUniform): Lowered | undefined {
  const key = hostKey(call);
  const { shape, stream: number } = call.attrs<{ shape: number[]; stream: number }>();
  if (key === undefined || sizeOf(shape) > hostLimit) return undefined;
  const values = draw(key[0], key[1], number, sizeOf(shape));
  const dtype = values instanceof Int32Array ? 'int32' : 'float32';
  return { tensors: { dataId: call.backend.write(values, shape, dtype), shape, dtype } };
}

/** See the file header. */
export const random: Lowerings = {
  PhiloxBits: (call) => hostDraw(call, philox.philoxBits) ?? bitcast(words(call).bits, 'i32'),
  PhiloxUniform: (call) => {
    const drawn = hostDraw(call, philox.philoxUniform);
    if (drawn !== undefined) return drawn;
    const { bits, shape } = words(call);
    const top = binary('shift_right_logical', bits, constant(8, 'ui32', shape));
    return multiply(convert(bitcast(top, 'i32'), 'f32'), constant(2 ** -24, 'f32', shape));
  },
  PhiloxFold: (call) => {
    const { stream: number = 0xf01d } = call.attrs<{ stream?: number }>();
    const known = hostKey(call);
    const count = call.backend.dataOf((call.inputs['data'] as tf.TensorInfo).dataId).node?.host;
    if (known !== undefined && count !== undefined) {
      const block = new Int32Array(4);
      philox.philoxBlock(count[0] as number, 0, 0, number, known[0], known[1], block, 0);
      return { tensors: { dataId: call.backend.write(block.slice(0, 2), [2], 'int32'), shape: [2], dtype: 'int32' } };
    }
    const [key, data] = [call.node('key'), call.node('data')];
    const zero = constant(0, 'ui32', [1]);
    const counter = bitcast(reshape(convert(data, 'i32'), [1]), 'ui32');
    const result = philoxRounds(
      [counter, zero, zero, constant(number, 'ui32', [1])],
      [keyWord(key, 0, [1]), keyWord(key, 1, [1])],
    );
    return bitcast(concatenate(result.slice(0, 2), 0), 'i32');
  },
};
