/** Blocks of arrays in main memory: cut out before they go to a device, put back in place when they come from one. */
import { sizeOf } from '../graph/node.ts';
import type { BufferType, HostArray } from '../pjrt/element-type.ts';
import { hostArray } from '../pjrt/element-type.ts';
import type { Block } from './placement.ts';

/** Calls `move` with the offsets in the whole and in the block of each run of elements that lie together in both. */
function runs(
  shape: readonly number[],
  { start, size }: Block,
  move: (inWhole: number, inBlock: number, length: number) => void,
): void {
  if (sizeOf(size) === 0) return;
  // Trailing dimensions that the block has whole make the runs longer.
  let inner = shape.length;
  let length = 1;
  while (inner > 0 && size[inner - 1] === shape[inner - 1]) length *= shape[--inner] as number;
  if (inner > 0) length *= size[--inner] as number;
  const strides: number[] = [];
  for (let i = shape.length - 1, stride = 1; i >= 0; i--) {
    strides[i] = stride;
    stride *= shape[i] as number;
  }
  const offset = start.reduce((sum, from, i) => sum + from * (strides[i] as number), 0);
  const index = Array<number>(inner).fill(0);
  for (let inBlock = 0; ; inBlock += length) {
    const inWhole = index.reduce((sum, at, i) => sum + at * (strides[i] as number), offset);
    move(inWhole, inBlock, length);
    let i = inner - 1;
    while (i >= 0 && ++(index[i] as number) === size[i]) index[i--] = 0;
    if (i < 0) return;
  }
}

const width = (type: BufferType): number => (type === 'complex<f32>' ? 2 : 1);

/** A copy of one block; the array itself if the block is all of it. */
export function cut(whole: HostArray, type: BufferType, shape: readonly number[], block: Block): HostArray {
  if (sizeOf(block.size) === sizeOf(shape)) return whole;
  const part = hostArray(type, sizeOf(block.size));
  const n = width(type);
  runs(shape, block, (from, to, length) => part.set(whole.subarray(n * from, n * (from + length)), n * to));
  return part;
}

/** Writes one block into its place. */
export function paste(
  part: HostArray,
  whole: HostArray,
  type: BufferType,
  shape: readonly number[],
  block: Block,
): void {
  const n = width(type);
  runs(shape, block, (to, from, length) => whole.set(part.subarray(n * from, n * (from + length)), n * to));
}
