/** What a plugin says about itself and about a device: texts and counts, each by one call of the C API. */
import type { PjrtApi } from './api.ts';
import { textAt } from './native.ts';
import type { Address } from './native.ts';

/** Bytes on a device, as its allocator counts them. */
export interface MemoryStats {
  readonly bytesInUse: number;
  /** The most that was in use at once, where the plugin says. */
  readonly peakBytes?: number;
}

/** The name or version of a client's platform, for example `cuda`. */
export function clientText(
  api: PjrtApi,
  client: Address,
  name: 'Client_PlatformName' | 'Client_PlatformVersion',
): string {
  const args = api.struct('Client_String').set('client', client);
  api.run(name, args, 'asking for the platform');
  return textAt(args.get('text'), Number(args.get('textSize')));
}

/** The maker's name of a device, for example `NVIDIA H100 80GB HBM3`. */
export function deviceKind(api: PjrtApi, device: Address): string {
  const description = api.struct('Device_GetDescription').set('device', device);
  api.run('Device_GetDescription', description, 'describing the device');
  const kind = api.struct('DeviceDescription_Kind').set('description', description.get('description'));
  api.run('DeviceDescription_Kind', kind, 'describing the device');
  return textAt(kind.get('kind'), Number(kind.get('kindSize')));
}

/** A device's memory; undefined where the plugin does not count it. */
export function memoryStats(api: PjrtApi, device: Address): MemoryStats | undefined {
  const stats = api.struct('Device_MemoryStats').set('device', device);
  const error = api.function('Device_MemoryStats')(stats.address);
  if (error !== 0n) {
    api.errorText(error);
    return undefined;
  }
  const bytesInUse = Number(stats.get('bytesInUse'));
  return stats.getBool('peakIsSet') ? { bytesInUse, peakBytes: Number(stats.get('peakBytes')) } : { bytesInUse };
}
