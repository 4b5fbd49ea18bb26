/** Reading what is split over devices: its blocks, each from one device, put together. */
import { sizeOf } from '../graph/node.ts';
import type { DeviceBuffer } from '../pjrt/client.ts';
import { hostArray } from '../pjrt/element-type.ts';
import type { HostArray } from '../pjrt/element-type.ts';
import type { Address } from '../pjrt/native.ts';
import { paste } from './blocks.ts';
import type { Block } from './placement.ts';

/** A block of a buffer, and the buffer of one device that holds it. */
export interface Part {
  readonly block: Block;
  readonly part: DeviceBuffer;
}

/** The blocks of a buffer, each once, as buffers of their own that own nothing; undefined if one device has all of it. */
export function partsOf({ handle, type, shape, placement, shards }: DeviceBuffer): Part[] | undefined {
  if (placement === undefined || placement.replicated || handle === 0n) return undefined;
  const { mesh } = placement;
  const found = new Map<string, Part>();
  (shards as readonly Address[]).forEach((shard, i) => {
    const block = mesh.block(placement, shape, mesh.local[i] as number);
    const part = { handle: shard, type, shape: block.size, bytes: 0, placement: undefined, shards: undefined };
    found.set(block.start.join(), { block, part });
  });
  return [...found.values()];
}

/** The values of all blocks, in their places. */
export function assemble(
  { type, shape }: DeviceBuffer,
  parts: readonly Part[],
  values: readonly HostArray[],
): HostArray {
  const whole = hostArray(type, sizeOf(shape));
  parts.forEach(({ block }, i) => paste(values[i] as HostArray, whole, type, shape, block));
  return whole;
}
