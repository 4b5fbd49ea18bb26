/**
 * A PJRT client: one device of one plugin. Compiles StableHLO, moves values, runs programs.
 *
 * Every method is one or two calls of the C API; ownership is explicit: whoever gets a `DeviceBuffer` or `Executable`
 * destroys it.
 */
import { PjrtApi } from './api.ts';
import { compileOptions } from './compile-options.ts';
import { byteSize, hostArray, pjrtType } from './element-type.ts';
import type { BufferType, HostArray } from './element-type.ts';
import { XlaError } from './errors.ts';
import { NamedValues } from './named-values.ts';
import { addressOf, copyFrom, functionAt, memoryAt, textAt } from './native.ts';
import type { Address } from './native.ts';
import type { Struct } from './struct.ts';

/** Values on the device. */
export interface DeviceBuffer {
  handle: Address;
  readonly type: BufferType;
  readonly shape: readonly number[];
  readonly bytes: number;
}

/** A loaded program. */
export interface Executable {
  readonly handle: Address;
  readonly outputs: readonly { readonly type: BufferType; readonly shape: readonly number[] }[];
  /** Argument and output pointer lists, allocated once. */
  readonly call: PreparedCall;
}

interface PreparedCall {
  readonly args: Struct;
  readonly options: Struct;
  readonly inputs: BigUint64Array;
  readonly results: BigUint64Array;
  readonly nonDonatable: BigInt64Array;
  /** Kept so that the pointers in the structs stay valid. */
  readonly lists: readonly BigUint64Array[];
}

/** What a client is made of. */
export interface ClientConfig {
  /** Path of the plugin's shared library. */
  readonly path: string;
  /** Libraries that the plugin needs, opened first, in this order. */
  readonly preload?: readonly string[];
  /** Options of `PJRT_Client_Create`: strings, integers, floats and booleans. */
  readonly options?: Readonly<Record<string, string | bigint | number | boolean>>;
}

const encoder = new TextEncoder();
const count = (shape: readonly number[]): number => shape.reduce((product, size) => product * size, 1);

/** See the file header. */
export class PjrtClient {
  /** The plugin's library. */
  readonly path: string;
  /** `[major, minor]` of the plugin's API. */
  readonly apiVersion: readonly [number, number];
  readonly platform: string;
  readonly platformVersion: string;
  readonly deviceCount: number;
  readonly deviceKind: string;
  /** Bytes of the buffers that we hold. */
  bytesInUse = 0;
  /** Number of buffers that we hold. */
  buffersInUse = 0;

  readonly #api: PjrtApi;
  readonly #client: Address;
  readonly #device: Address;
  readonly #upload: Struct;
  readonly #download: Struct;
  readonly #event: Struct;
  readonly #buffer: Struct;
  readonly #dims = new BigInt64Array(16);
  /** What every program is compiled with, as a serialised `CompileOptionsProto`. */
  readonly compileOptions: Uint8Array = compileOptions();

  constructor(config: ClientConfig) {
    this.#api = new PjrtApi(config.path, config.preload);
    this.path = config.path;
    this.apiVersion = this.#api.version;
    this.#api.run('Plugin_Initialize', this.#api.struct('Plugin_Initialize'), 'initialising the plugin');
    const options = new NamedValues(config.options ?? {});
    const create = this.#api.struct('Client_Create').set('options', options.address).set('optionCount', options.count);
    this.#api.run('Client_Create', create, 'creating the client');
    options.release();
    this.#client = create.get('client');

    const devices = this.#api.struct('Client_AddressableDevices').set('client', this.#client);
    this.#api.run('Client_AddressableDevices', devices, 'listing devices');
    this.deviceCount = Number(devices.get('deviceCount'));
    if (this.deviceCount === 0) throw new XlaError('listing devices', 'the plugin has no device.');
    this.#device = new DataView(memoryAt(devices.get('devices'), 8)).getBigUint64(0, true);
    this.platform = this.#clientText('Client_PlatformName');
    this.platformVersion = this.#clientText('Client_PlatformVersion');
    this.deviceKind = this.#kind();

    this.#upload = this.#api
      .struct('Client_BufferFromHostBuffer')
      .set('client', this.#client)
      .set('dims', addressOf(this.#dims))
      .set('device', this.#device);
    this.#download = this.#api.struct('Buffer_ToHostBuffer');
    this.#event = this.#api.struct('Event');
    this.#buffer = this.#api.struct('Buffer');
  }

  /** Compiles a module of StableHLO text. `inputs` is the number of arguments of its main function. */
  compile(module: string, inputs: number, outputs: Executable['outputs']): Executable {
    const code = encoder.encode(module);
    const format = encoder.encode('mlir');
    const program = this.#api
      .struct('Program')
      .set('code', addressOf(code))
      .set('codeSize', code.byteLength)
      .set('format', addressOf(format))
      .set('formatSize', format.byteLength);
    const args = this.#api
      .struct('Client_Compile')
      .set('client', this.#client)
      .set('program', program.address)
      .set('options', addressOf(this.compileOptions))
      .set('optionsSize', this.compileOptions.byteLength);
    this.#api.run('Client_Compile', args, 'compiling');
    const handle = args.get('executable');
    return { handle, outputs, call: this.#prepare(handle, inputs, outputs.length) };
  }

  #prepare(handle: Address, inputCount: number, outputCount: number): PreparedCall {
    const inputs = new BigUint64Array(Math.max(inputCount, 8));
    const results = new BigUint64Array(Math.max(outputCount, 8));
    const nonDonatable = new BigInt64Array(Math.max(inputCount, 8));
    const inputList = BigUint64Array.of(addressOf(inputs), 0n, 0n, 0n, 0n, 0n, 0n, 0n);
    const outputList = BigUint64Array.of(addressOf(results), 0n, 0n, 0n, 0n, 0n, 0n, 0n);
    const options = this.#api.struct('ExecuteOptions').set('nonDonatable', addressOf(nonDonatable));
    const args = this.#api
      .struct('LoadedExecutable_Execute')
      .set('executable', handle)
      .set('options', options.address)
      .set('arguments', addressOf(inputList))
      .set('deviceCount', 1)
      .set('argumentCount', inputCount)
      .set('outputs', addressOf(outputList));
    return { args, options, inputs, results, nonDonatable, lists: [inputList, outputList] };
  }

  /**
   * Runs a program. Inputs that the program's aliasing donates are used up, except those whose positions are in
   * `keep`; the caller still destroys their handles.
   */
  execute(executable: Executable, inputs: readonly DeviceBuffer[], keep: readonly number[] = []): DeviceBuffer[] {
    const { call, outputs } = executable;
    for (let i = 0; i < inputs.length; i++) {
      const { handle, type, shape } = inputs[i] as DeviceBuffer;
      // The plugin would follow a null pointer.
      if (handle === 0n) throw new Error(`internal: xla input ${i}, ${type} [${shape.join(', ')}], was freed.`);
      call.inputs[i] = handle;
    }
    for (let i = 0; i < keep.length; i++) call.nonDonatable[i] = BigInt(keep[i] as number);
    call.options.set('nonDonatableCount', keep.length);
    this.#api.run('LoadedExecutable_Execute', call.args, 'running a program');
    return outputs.map(({ type, shape }, i) => this.#own(call.results[i] as bigint, type, shape));
  }

  /** Frees a program. */
  destroyExecutable(executable: Executable): void {
    this.#api.run(
      'LoadedExecutable_Destroy',
      this.#api.struct('Executable').set('executable', executable.handle),
      'freeing a program',
    );
  }

  /** Copies host values to the device. The array may change as soon as this returns. */
  upload(values: HostArray, type: BufferType, shape: readonly number[]): DeviceBuffer {
    const dims = shape.length > this.#dims.length ? new BigInt64Array(shape.length) : this.#dims;
    for (let i = 0; i < shape.length; i++) dims[i] = BigInt(shape[i] as number);
    const data = values.byteLength === 0 ? 0n : addressOf(values);
    this.#upload
      .set('data', data)
      .setInt('type', pjrtType(type))
      .set('dims', addressOf(dims))
      .set('rank', shape.length)
      .setInt('semantics', 0);
    this.#api.run('Client_BufferFromHostBuffer', this.#upload, `copying ${type} [${shape.join(', ')}] to the device`);
    this.#destroyEvent(this.#upload.get('done'));
    return this.#own(this.#upload.get('buffer'), type, shape);
  }

  /** Copies values to the host, waiting for them. */
  downloadSync(buffer: DeviceBuffer): HostArray {
    const { values, event } = this.#startDownload(buffer);
    if (event !== 0n) {
      const error = this.#api.function('Event_Await')(this.#event.set('event', event).address);
      this.#destroyEvent(event);
      this.#api.check(error, 'reading from the device');
    }
    return values;
  }

  /** Copies values to the host; the wait is on another thread. */
  async download(buffer: DeviceBuffer): Promise<HostArray> {
    const { values, event } = this.#startDownload(buffer);
    if (event !== 0n) {
      const wait = this.#api.struct('Event').set('event', event);
      const error = await this.#api.function('Event_Await').async(wait.address);
      wait.set('event', 0n); // also keeps the struct alive while the other thread reads it
      this.#destroyEvent(event);
      this.#api.check(error, 'reading from the device');
    }
    return values;
  }

  #startDownload(buffer: DeviceBuffer): { values: HostArray; event: Address } {
    if (buffer.handle === 0n) throw new Error('internal: xla reads a freed buffer.');
    const values = hostArray(buffer.type, count(buffer.shape));
    if (values.byteLength === 0) return { values, event: 0n };
    this.#download
      .set('buffer', buffer.handle)
      .set('data', addressOf(values))
      .set('size', values.byteLength)
      .set('event', 0n);
    this.#api.run('Buffer_ToHostBuffer', this.#download, 'reading from the device');
    return { values, event: this.#download.get('event') };
  }

  /** Frees a buffer, also one that was donated. */
  destroy(buffer: DeviceBuffer): void {
    if (buffer.handle === 0n) return;
    this.#api.run('Buffer_Destroy', this.#buffer.set('buffer', buffer.handle), 'freeing a buffer');
    buffer.handle = 0n;
    this.bytesInUse -= buffer.bytes;
    this.buffersInUse--;
  }

  /** Bytes in use on the device as its allocator counts them, where the plugin says. */
  memoryStats(): { bytesInUse: number; peakBytes?: number } | undefined {
    const stats = this.#api.struct('Device_MemoryStats').set('device', this.#device);
    const error = this.#api.function('Device_MemoryStats')(stats.address);
    if (error !== 0n) {
      this.#api.errorText(error);
      return undefined;
    }
    const bytesInUse = Number(stats.get('bytesInUse'));
    return stats.getBool('peakIsSet') ? { bytesInUse, peakBytes: Number(stats.get('peakBytes')) } : { bytesInUse };
  }

  /** The program as XLA optimised it, as serialised HLO; for `doctor` and profiling. */
  optimizedProgram(executable: Executable): Uint8Array {
    return this.#inspect(executable, (unloaded) => {
      const program = this.#api.struct('Program');
      const args = this.#api
        .struct('Executable_OptimizedProgram')
        .set('executable', unloaded)
        .set('program', program.address);
      this.#api.run('Executable_OptimizedProgram', args, 'inspecting a program');
      const code = new Uint8Array(Number(program.get('codeSize')));
      program.set('code', addressOf(code));
      this.#api.run('Executable_OptimizedProgram', args, 'inspecting a program');
      return code;
    });
  }

  /**
   * A compiled program as bytes, for {@link load} in this or another process with the same plugin and device.
   *
   * @throws XlaError if the plugin cannot: the CPU plugin refuses programs with a sort
   */
  serialize(executable: Executable): Uint8Array {
    return this.#inspect(executable, (unloaded) => {
      const args = this.#api.struct('Executable_Serialize').set('executable', unloaded);
      this.#api.run('Executable_Serialize', args, 'serialising a program');
      const bytes = copyFrom(args.get('bytes'), Number(args.get('byteCount')));
      functionAt(args.get('deleter'))(args.get('serialized'));
      return bytes;
    });
  }

  /** Loads what {@link serialize} gave; `inputs` and `outputs` as for {@link compile}. The bytes are trusted. */
  load(bytes: Uint8Array, inputs: number, outputs: Executable['outputs']): Executable {
    const args = this.#api
      .struct('Executable_DeserializeAndLoad')
      .set('client', this.#client)
      .set('bytes', addressOf(bytes))
      .set('byteCount', bytes.byteLength);
    this.#api.run('Executable_DeserializeAndLoad', args, 'loading a program');
    const handle = args.get('executable');
    return { handle, outputs, call: this.#prepare(handle, inputs, outputs.length) };
  }

  /** Calls `use` with the program apart from its device, which only lives meanwhile. */
  #inspect<R>(executable: Executable, use: (unloaded: Address) => R): R {
    const get = this.#api.struct('LoadedExecutable_GetExecutable').set('loaded', executable.handle);
    this.#api.run('LoadedExecutable_GetExecutable', get, 'inspecting a program');
    const unloaded = get.get('executable');
    try {
      return use(unloaded);
    } finally {
      this.#api.run('Executable_Destroy', this.#api.struct('Executable').set('executable', unloaded), 'inspecting');
    }
  }

  /** Ends the client. Buffers and programs must not be used afterwards. */
  dispose(): void {
    this.#api.run('Client_Destroy', this.#api.struct('Client').set('client', this.#client), 'closing the client');
  }

  #own(handle: Address, type: BufferType, shape: readonly number[]): DeviceBuffer {
    const bytes = byteSize(type, count(shape));
    this.bytesInUse += bytes;
    this.buffersInUse++;
    return { handle, type, shape, bytes };
  }

  #destroyEvent(event: Address): void {
    if (event !== 0n) this.#api.function('Event_Destroy')(this.#event.set('event', event).address);
  }

  #clientText(name: 'Client_PlatformName' | 'Client_PlatformVersion'): string {
    const args = this.#api.struct('Client_String').set('client', this.#client);
    this.#api.run(name, args, 'asking for the platform');
    return textAt(args.get('text'), Number(args.get('textSize')));
  }

  #kind(): string {
    const description = this.#api.struct('Device_GetDescription').set('device', this.#device);
    this.#api.run('Device_GetDescription', description, 'describing the device');
    const kind = this.#api.struct('DeviceDescription_Kind').set('description', description.get('description'));
    this.#api.run('DeviceDescription_Kind', kind, 'describing the device');
    return textAt(kind.get('kind'), Number(kind.get('kindSize')));
  }
}
