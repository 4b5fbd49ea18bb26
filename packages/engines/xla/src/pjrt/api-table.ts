/**
 * The PJRT C API as data: the order of its functions and the fields of the argument structs that we use.
 *
 * Facts from `xla/pjrt/c/pjrt_c_api.h` (openxla/xla, Apache-2.0). The function table only ever grows at its end, and so
 * do the structs: a plugin refuses a struct smaller than its own and takes a larger one, so structs are written as of API
 * 0.115.
 */

/** `p`: pointer, size_t or int64 (8 bytes); `i`: int or enum (4 bytes); `b`: bool (1 byte). */
export type FieldType = 'p' | 'i' | 'b';

/** One field of a struct. */
export interface Field {
  readonly name: string;
  readonly type: FieldType;
}

const offsetOfFirstFunction = 40; // struct_size, extension_start, then PJRT_Api_Version of 24 bytes

/** Functions in the order of the table, up to the last one that we call. */
const functionNames = [
  'Error_Destroy',
  'Error_Message',
  'Error_GetCode',
  'Plugin_Initialize',
  'Plugin_Attributes',
  'Event_Destroy',
  'Event_IsReady',
  'Event_Error',
  'Event_Await',
  'Event_OnReady',
  'Client_Create',
  'Client_Destroy',
  'Client_PlatformName',
  'Client_ProcessIndex',
  'Client_PlatformVersion',
  'Client_Devices',
  'Client_AddressableDevices',
  'Client_LookupDevice',
  'Client_LookupAddressableDevice',
  'Client_AddressableMemories',
  'Client_Compile',
  'Client_DefaultDeviceAssignment',
  'Client_BufferFromHostBuffer',
  'DeviceDescription_Id',
  'DeviceDescription_ProcessIndex',
  'DeviceDescription_Attributes',
  'DeviceDescription_Kind',
  'DeviceDescription_DebugString',
  'DeviceDescription_ToString',
  'Device_GetDescription',
  'Device_IsAddressable',
  'Device_LocalHardwareId',
  'Device_AddressableMemories',
  'Device_DefaultMemory',
  'Device_MemoryStats',
  'Memory_Id',
  'Memory_Kind',
  'Memory_DebugString',
  'Memory_ToString',
  'Memory_AddressableByDevices',
  'Executable_Destroy',
  'Executable_Name',
  'Executable_NumReplicas',
  'Executable_NumPartitions',
  'Executable_NumOutputs',
  'Executable_SizeOfGeneratedCodeInBytes',
  'Executable_GetCostAnalysis',
  'Executable_OutputMemoryKinds',
  'Executable_OptimizedProgram',
  'Executable_Serialize',
  'LoadedExecutable_Destroy',
  'LoadedExecutable_GetExecutable',
  'LoadedExecutable_AddressableDevices',
  'LoadedExecutable_Delete',
  'LoadedExecutable_IsDeleted',
  'LoadedExecutable_Execute',
  'Executable_DeserializeAndLoad',
  'LoadedExecutable_Fingerprint',
  'Buffer_Destroy',
  'Buffer_ElementType',
  'Buffer_Dimensions',
  'Buffer_UnpaddedDimensions',
  'Buffer_DynamicDimensionIndices',
  'Buffer_GetMemoryLayout',
  'Buffer_OnDeviceSizeInBytes',
  'Buffer_Device',
  'Buffer_Memory',
  'Buffer_Delete',
  'Buffer_IsDeleted',
  'Buffer_CopyToDevice',
  'Buffer_ToHostBuffer',
  'Buffer_IsOnCpu',
  'Buffer_ReadyEvent',
] as const;

/** A function of the table. */
export type FunctionName = (typeof functionNames)[number];

/** Byte offset of a function pointer in `PJRT_Api`. */
export function functionOffset(name: FunctionName): number {
  return offsetOfFirstFunction + 8 * functionNames.indexOf(name);
}

/** A struct of the table below. */
export type StructName =
  | 'Error_Destroy'
  | 'Error_Message'
  | 'Error_GetCode'
  | 'Plugin_Initialize'
  | 'Event'
  | 'Event_IsReady'
  | 'NamedValue'
  | 'Client_Create'
  | 'Client'
  | 'Client_String'
  | 'Client_Devices'
  | 'DeviceDescription_Id'
  | 'Device_IsAddressable'
  | 'Program'
  | 'Client_Compile'
  | 'Client_BufferFromHostBuffer'
  | 'Device_GetDescription'
  | 'DeviceDescription_Kind'
  | 'Device_MemoryStats'
  | 'Executable'
  | 'ExecuteOptions'
  | 'LoadedExecutable_Execute'
  | 'LoadedExecutable_GetExecutable'
  | 'Executable_NumOutputs'
  | 'Executable_OptimizedProgram'
  | 'Executable_Serialize'
  | 'Executable_DeserializeAndLoad'
  | 'Buffer'
  | 'Buffer_Size'
  | 'Buffer_ToHostBuffer'
  | 'Buffer_ReadyEvent';

const p = (...names: string[]): Field[] => names.map((name) => ({ name, type: 'p' }));

/** Structs by name, without the two fields that all begin with: `struct_size` and `extension_start`. */
const structs: Readonly<Record<StructName, readonly Field[]>> = {
  Error_Destroy: p('error'),
  Error_Message: p('error', 'message', 'messageSize'),
  Error_GetCode: [...p('error'), { name: 'code', type: 'i' }],
  Plugin_Initialize: [],
  Event: p('event'),
  Event_IsReady: [...p('event'), { name: 'isReady', type: 'b' }],
  NamedValue: [...p('name', 'nameSize'), { name: 'type', type: 'i' }, ...p('value', 'valueSize')],
  Client_Create: [
    ...p('options', 'optionCount', 'kvGet', 'kvGetArg', 'kvPut', 'kvPutArg', 'client'),
    ...p('kvTryGet', 'kvTryGetArg'),
  ],
  Client: p('client'),
  Client_String: p('client', 'text', 'textSize'),
  Client_Devices: p('client', 'devices', 'deviceCount'),
  DeviceDescription_Id: [...p('description'), { name: 'id', type: 'i' }],
  Device_IsAddressable: [...p('device'), { name: 'isAddressable', type: 'b' }],
  Program: p('code', 'codeSize', 'format', 'formatSize'),
  Client_Compile: p('client', 'program', 'options', 'optionsSize', 'executable'),
  Client_BufferFromHostBuffer: [
    ...p('client', 'data'),
    { name: 'type', type: 'i' },
    ...p('dims', 'rank', 'strides', 'strideCount'),
    { name: 'semantics', type: 'i' },
    ...p('device', 'memory', 'layout', 'done', 'buffer'),
  ],
  Device_GetDescription: p('device', 'description'),
  DeviceDescription_Kind: p('description', 'kind', 'kindSize'),
  Device_MemoryStats: [...p('device', 'bytesInUse', 'peakBytes'), { name: 'peakIsSet', type: 'b' }, ...p(...pad(11))],
  Executable: p('executable'),
  ExecuteOptions: [
    ...p('sendCallbacks', 'receiveCallbacks', 'sendCount', 'receiveCount'),
    { name: 'launchId', type: 'i' },
    ...p('nonDonatable', 'nonDonatableCount'),
    ...p('context', 'callLocation', 'taskCount', 'taskIds', 'incarnationIds'),
  ],
  LoadedExecutable_Execute: p(
    'executable',
    'options',
    'arguments',
    'deviceCount',
    'argumentCount',
    'outputs',
    'completeEvents',
    'device',
  ),
  LoadedExecutable_GetExecutable: p('loaded', 'executable'),
  Executable_NumOutputs: p('executable', 'outputCount'),
  Executable_OptimizedProgram: p('executable', 'program'),
  Executable_Serialize: p('executable', 'bytes', 'byteCount', 'serialized', 'deleter'),
  Executable_DeserializeAndLoad: p('client', 'bytes', 'byteCount', 'executable', 'options', 'optionsSize'),
  Buffer: p('buffer'),
  Buffer_Size: p('buffer', 'bytes'),
  Buffer_ToHostBuffer: p('buffer', 'layout', 'data', 'size', 'event'),
  Buffer_ReadyEvent: p('buffer', 'event'),
};

/** The rest of `Device_MemoryStats` in 16-byte pairs that nobody reads. */
function pad(pairs: number): string[] {
  return Array.from({ length: 2 * pairs }, (_, i) => `unused${i}`);
}

/** Where each field lies, and the size to put into `struct_size`. */
export interface Layout {
  readonly size: number;
  readonly offsets: Readonly<Record<string, number>>;
}

/** The newest API that the table was checked against. */
export const newestKnownMinor = 115;

const sizes = { p: 8, i: 4, b: 1 } as const;

/** Lays a struct out for a plugin of API version 0.`minor`, with C's natural alignment. */
export function layoutOf(name: StructName, minor: number): Layout {
  const offsets: Record<string, number> = {};
  let end = 16;
  for (const field of structs[name]) {
    const width = sizes[field.type];
    const at = Math.ceil(end / width) * width;
    offsets[field.name] = at;
    end = at + width;
  }
  // A newer plugin's structs may be longer: room for fields that nobody knows yet, zero.
  return { size: end + (minor > newestKnownMinor ? 64 : 0), offsets };
}
