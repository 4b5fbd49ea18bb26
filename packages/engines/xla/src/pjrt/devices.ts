/** The devices of a client: those that this process drives and, where several processes work together, all others. */
import type { Device } from '../sharding/placement.ts';
import type { PjrtApi } from './api.ts';
import { memoryAt } from './native.ts';
import type { Address } from './native.ts';

/** In the order of their ids, which is the same in all processes. */
export function listDevices(api: PjrtApi, client: Address): Device[] {
  const list = api.struct('Client_Devices').set('client', client);
  api.run('Client_Devices', list, 'listing devices');
  const size = Number(list.get('deviceCount'));
  if (size === 0) return [];
  const addresses = new BigUint64Array(memoryAt(list.get('devices'), 8 * size));
  return [...addresses]
    .map((address) => {
      const description = api.struct('Device_GetDescription').set('device', address);
      api.run('Device_GetDescription', description, 'describing a device');
      const number = api.struct('DeviceDescription_Id').set('description', description.get('description'));
      api.run('DeviceDescription_Id', number, 'describing a device');
      const place = api.struct('Device_IsAddressable').set('device', address);
      api.run('Device_IsAddressable', place, 'describing a device');
      return { id: number.getInt('id'), address, local: place.getBool('isAddressable') };
    })
    .sort((a, b) => a.id - b.id);
}
