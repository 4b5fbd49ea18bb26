/** The structs and pointer lists of a program's calls, allocated once and filled in at each call. */
import type { PjrtApi } from './api.ts';
import { addressOf } from './native.ts';
import type { Address } from './native.ts';
import type { Struct } from './struct.ts';

/** See the file header. */
export interface PreparedCall {
  readonly args: Struct;
  /** Devices of this process that run it. */
  readonly devices: number;
  readonly options: Struct;
  /** Handles of the arguments, one row a device. */
  readonly inputs: BigUint64Array;
  /** Handles of the results, one row a device. */
  readonly results: BigUint64Array;
  readonly nonDonatable: BigInt64Array;
  /** Kept so that the pointers in the structs stay valid. */
  readonly lists: readonly BigUint64Array[];
}

/** For an executable with so many arguments and results on each of `devices` devices. */
export function prepareCall(
  api: PjrtApi,
  handle: Address,
  inputCount: number,
  outputCount: number,
  devices: number,
): PreparedCall {
  const inputs = new BigUint64Array(Math.max(devices * inputCount, 8));
  const results = new BigUint64Array(Math.max(devices * outputCount, 8));
  const nonDonatable = new BigInt64Array(Math.max(inputCount, 8));
  const inputList = new BigUint64Array(Math.max(devices, 8));
  const outputList = new BigUint64Array(Math.max(devices, 8));
  for (let device = 0; device < devices; device++) {
    inputList[device] = addressOf(inputs) + BigInt(8 * device * inputCount);
    outputList[device] = addressOf(results) + BigInt(8 * device * outputCount);
  }
  const options = api.struct('ExecuteOptions').set('nonDonatable', addressOf(nonDonatable));
  const args = api
    .struct('LoadedExecutable_Execute')
    .set('executable', handle)
    .set('options', options.address)
    .set('arguments', addressOf(inputList))
    .set('deviceCount', devices)
    .set('argumentCount', inputCount)
    .set('outputs', addressOf(outputList));
  return { args, devices, options, inputs, results, nonDonatable, lists: [inputList, outputList] };
}
