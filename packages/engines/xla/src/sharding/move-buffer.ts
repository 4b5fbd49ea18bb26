/**
 * The same values in another placement.
 *
 * Within a mesh it is a program that does nothing but demand the placement, and so one collective. Between one device
 * and a mesh, or two meshes, values go through main memory: that happens when a scope begins, not in its steps.
 */
import { Node } from '../graph/node.ts';
import { writeModule } from '../graph/write-module.ts';
import type { DeviceBuffer, PjrtClient } from '../pjrt/client.ts';
import type { HostArray } from '../pjrt/element-type.ts';
import type { ProgramCache } from '../program-cache.ts';
import type { Placement } from './placement.ts';

/** Makes a buffer with the values of another, which stays. `placement` undefined: on one device. */
export function moveBuffer(
  client: PjrtClient,
  programs: ProgramCache,
  buffer: DeviceBuffer,
  placement: Placement | undefined,
): DeviceBuffer {
  const { type, shape } = buffer;
  if (placement === undefined || buffer.placement?.mesh !== placement.mesh) {
    return client.upload(readBuffer(client, programs, buffer), type, shape, placement);
  }
  const from = buffer.placement;
  const leaf = new Node(type, shape);
  const { text } = writeModule([leaf], {
    name: 'move',
    leading: [leaf],
    partition: { moduleHead: placement.mesh.moduleHead, argument: () => from, output: () => placement },
  });
  const program = programs.get(text, 1, [{ type, shape, placement }], placement.mesh);
  return client.execute(program, [buffer])[0] as DeviceBuffer;
}

/** All values of a buffer, also those that other processes hold: then every process must ask for them. */
export function readBuffer(client: PjrtClient, programs: ProgramCache, buffer: DeviceBuffer): HostArray {
  const whole = gathered(client, programs, buffer);
  try {
    return client.downloadSync(whole);
  } finally {
    if (whole !== buffer) client.destroy(whole);
  }
}

/** {@link readBuffer} without blocking. */
export async function readBufferLater(
  client: PjrtClient,
  programs: ProgramCache,
  buffer: DeviceBuffer,
): Promise<HostArray> {
  const whole = gathered(client, programs, buffer);
  try {
    return await client.download(whole);
  } finally {
    if (whole !== buffer) client.destroy(whole);
  }
}

function gathered(client: PjrtClient, programs: ProgramCache, buffer: DeviceBuffer): DeviceBuffer {
  const { placement, shape } = buffer;
  if (placement === undefined || placement.replicated || !placement.mesh.spansProcesses) return buffer;
  return moveBuffer(client, programs, buffer, placement.mesh.placement(shape.length));
}
