/**
 * A PJRT client: one device of one plugin. Compiles StableHLO, moves values, runs programs.
 *
 * Every method is one or two calls of the C API; ownership is explicit: whoever gets a `DeviceBuffer` or `Executable`
 * destroys it.
 */
import { functionOffset } from './api-table.ts';
import type { FunctionName } from './api-table.ts';
import { compileOptions } from './compile-options.ts';
import { byteSize, hostArray, pjrtType } from './element-type.ts';
import type { BufferType, HostArray } from './element-type.ts';
import { XlaError } from './errors.ts';
import { addressOf, functionAt, memoryAt, openLibrary, preloadLibrary, textAt } from './native.ts';
import type { Address, NativeFunction } from './native.ts';
import { Struct } from './struct.ts';

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

  readonly #functions = new Map<FunctionName, NativeFunction>();
  readonly #api: DataView;
  readonly #client: Address;
  readonly #device: Address;
  readonly #upload: Struct;
  readonly #download: Struct;
  readonly #event: Struct;
  readonly #buffer: Struct;
  readonly #dims = new BigInt64Array(16);
  readonly #options: Uint8Array = compileOptions();

  constructor(config: ClientConfig) {
    // Read when the library is opened; without it the loader of saved programs prints pages of machine features.
    process.env['TF_CPP_MIN_LOG_LEVEL'] ??= '2';
    for (const path of config.preload ?? []) preloadLibrary(path);
    const api = openLibrary(config.path, 'GetPjrtApi');
    const head = new DataView(memoryAt(api, 40));
    this.#api = new DataView(memoryAt(api, Number(head.getBigUint64(0, true))));
    this.apiVersion = [head.getInt32(32, true), head.getInt32(36, true)];
    if (this.apiVersion[0] !== 0 || this.apiVersion[1] < 40) {
      throw new XlaError(
        'opening the plugin',
        `${config.path} has PJRT API ${this.apiVersion.join('.')}; 0.40 or a later 0.x is needed.`,
      );
    }
    this.#run('Plugin_Initialize', this.#struct('Plugin_Initialize'), 'initialising the plugin');
    const { create, keep } = this.#creation(config.options ?? {});
    this.#run('Client_Create', create, 'creating the client');
    keep.length = 0;
    this.#client = create.get('client');

    const devices = this.#struct('Client_AddressableDevices').set('client', this.#client);
    this.#run('Client_AddressableDevices', devices, 'listing devices');
    this.deviceCount = Number(devices.get('deviceCount'));
    if (this.deviceCount === 0) throw new XlaError('listing devices', 'the plugin has no device.');
    this.#device = new DataView(memoryAt(devices.get('devices'), 8)).getBigUint64(0, true);
    this.platform = this.#clientText('Client_PlatformName');
    this.platformVersion = this.#clientText('Client_PlatformVersion');
    this.deviceKind = this.#kind();

    this.#upload = this.#struct('Client_BufferFromHostBuffer')
      .set('client', this.#client)
      .set('dims', addressOf(this.#dims))
      .set('device', this.#device);
    this.#download = this.#struct('Buffer_ToHostBuffer');
    this.#event = this.#struct('Event');
    this.#buffer = this.#struct('Buffer');
  }

  /** Compiles a module of StableHLO text. `inputs` is the number of arguments of its main function. */
  compile(module: string, inputs: number, outputs: Executable['outputs']): Executable {
    const code = encoder.encode(module);
    const format = encoder.encode('mlir');
    const program = this.#struct('Program')
      .set('code', addressOf(code))
      .set('codeSize', code.byteLength)
      .set('format', addressOf(format))
      .set('formatSize', format.byteLength);
    const args = this.#struct('Client_Compile')
      .set('client', this.#client)
      .set('program', program.address)
      .set('options', addressOf(this.#options))
      .set('optionsSize', this.#options.byteLength);
    this.#run('Client_Compile', args, 'compiling');
    const handle = args.get('executable');
    return { handle, outputs, call: this.#prepare(handle, inputs, outputs.length) };
  }

  #prepare(handle: Address, inputCount: number, outputCount: number): PreparedCall {
    const inputs = new BigUint64Array(Math.max(inputCount, 8));
    const results = new BigUint64Array(Math.max(outputCount, 8));
    const nonDonatable = new BigInt64Array(Math.max(inputCount, 8));
    const inputList = BigUint64Array.of(addressOf(inputs), 0n, 0n, 0n, 0n, 0n, 0n, 0n);
    const outputList = BigUint64Array.of(addressOf(results), 0n, 0n, 0n, 0n, 0n, 0n, 0n);
    const options = this.#struct('ExecuteOptions').set('nonDonatable', addressOf(nonDonatable));
    const args = this.#struct('LoadedExecutable_Execute')
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
    this.#run('LoadedExecutable_Execute', call.args, 'running a program');
    return outputs.map(({ type, shape }, i) => this.#own(call.results[i] as bigint, type, shape));
  }

  /** Frees a program. */
  destroyExecutable(executable: Executable): void {
    this.#run(
      'LoadedExecutable_Destroy',
      this.#struct('Executable').set('executable', executable.handle),
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
    this.#run('Client_BufferFromHostBuffer', this.#upload, `copying ${type} [${shape.join(', ')}] to the device`);
    this.#destroyEvent(this.#upload.get('done'));
    return this.#own(this.#upload.get('buffer'), type, shape);
  }

  /** Copies values to the host, waiting for them. */
  downloadSync(buffer: DeviceBuffer): HostArray {
    const { values, event } = this.#startDownload(buffer);
    if (event !== 0n) {
      const error = this.#function('Event_Await')(this.#event.set('event', event).address);
      this.#destroyEvent(event);
      this.#check(error, 'reading from the device');
    }
    return values;
  }

  /** Copies values to the host; the wait is on another thread. */
  async download(buffer: DeviceBuffer): Promise<HostArray> {
    const { values, event } = this.#startDownload(buffer);
    if (event !== 0n) {
      const wait = this.#struct('Event').set('event', event);
      const error = await this.#function('Event_Await').async(wait.address);
      wait.set('event', 0n); // also keeps the struct alive while the other thread reads it
      this.#destroyEvent(event);
      this.#check(error, 'reading from the device');
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
    this.#run('Buffer_ToHostBuffer', this.#download, 'reading from the device');
    return { values, event: this.#download.get('event') };
  }

  /** Frees a buffer, also one that was donated. */
  destroy(buffer: DeviceBuffer): void {
    if (buffer.handle === 0n) return;
    this.#run('Buffer_Destroy', this.#buffer.set('buffer', buffer.handle), 'freeing a buffer');
    buffer.handle = 0n;
    this.bytesInUse -= buffer.bytes;
    this.buffersInUse--;
  }

  /** Bytes in use on the device as its allocator counts them, where the plugin says. */
  memoryStats(): { bytesInUse: number; peakBytes?: number } | undefined {
    const stats = this.#struct('Device_MemoryStats').set('device', this.#device);
    const error = this.#function('Device_MemoryStats')(stats.address);
    if (error !== 0n) {
      this.#errorText(error);
      return undefined;
    }
    const bytesInUse = Number(stats.get('bytesInUse'));
    return stats.getBool('peakIsSet') ? { bytesInUse, peakBytes: Number(stats.get('peakBytes')) } : { bytesInUse };
  }

  /** The program as XLA optimised it, as serialised HLO; for `doctor` and profiling. */
  optimizedProgram(executable: Executable): Uint8Array {
    const get = this.#struct('LoadedExecutable_GetExecutable').set('loaded', executable.handle);
    this.#run('LoadedExecutable_GetExecutable', get, 'inspecting a program');
    const program = this.#struct('Program');
    const args = this.#struct('Executable_OptimizedProgram')
      .set('executable', get.get('executable'))
      .set('program', program.address);
    this.#run('Executable_OptimizedProgram', args, 'inspecting a program');
    const code = new Uint8Array(Number(program.get('codeSize')));
    program.set('code', addressOf(code));
    this.#run('Executable_OptimizedProgram', args, 'inspecting a program');
    return code;
  }

  /** Ends the client. Buffers and programs must not be used afterwards. */
  dispose(): void {
    this.#run('Client_Destroy', this.#struct('Client').set('client', this.#client), 'closing the client');
  }

  #own(handle: Address, type: BufferType, shape: readonly number[]): DeviceBuffer {
    const bytes = byteSize(type, count(shape));
    this.bytesInUse += bytes;
    this.buffersInUse++;
    return { handle, type, shape, bytes };
  }

  #struct(name: ConstructorParameters<typeof Struct>[0]): Struct {
    return new Struct(name, this.apiVersion[1]);
  }

  #function(name: FunctionName): NativeFunction {
    let fn = this.#functions.get(name);
    if (fn === undefined) {
      fn = functionAt(this.#api.getBigUint64(functionOffset(name), true));
      this.#functions.set(name, fn);
    }
    return fn;
  }

  #run(name: FunctionName, args: Struct, operation: string): void {
    this.#check(this.#function(name)(args.address), operation);
  }

  #check(error: Address, operation: string): void {
    if (error !== 0n) throw new XlaError(operation, this.#errorText(error));
  }

  /** The text of an error, which is freed. */
  #errorText(error: Address): string {
    const message = this.#struct('Error_Message').set('error', error);
    this.#function('Error_Message')(message.address);
    const text = textAt(message.get('message'), Number(message.get('messageSize')));
    this.#function('Error_Destroy')(this.#struct('Error_Destroy').set('error', error).address);
    return text;
  }

  #destroyEvent(event: Address): void {
    if (event !== 0n) this.#function('Event_Destroy')(this.#event.set('event', event).address);
  }

  #clientText(name: 'Client_PlatformName' | 'Client_PlatformVersion'): string {
    const args = this.#struct('Client_String').set('client', this.#client);
    this.#run(name, args, 'asking for the platform');
    return textAt(args.get('text'), Number(args.get('textSize')));
  }

  #kind(): string {
    const description = this.#struct('Device_GetDescription').set('device', this.#device);
    this.#run('Device_GetDescription', description, 'describing the device');
    const kind = this.#struct('DeviceDescription_Kind').set('description', description.get('description'));
    this.#run('DeviceDescription_Kind', kind, 'describing the device');
    return textAt(kind.get('kind'), Number(kind.get('kindSize')));
  }

  /** Arguments of `Client_Create`. `keep` holds what they point to until the call is over. */
  #creation(options: NonNullable<ClientConfig['options']>): { create: Struct; keep: unknown[] } {
    const keep: unknown[] = [];
    const entries = Object.entries(options);
    const size = 56; // PJRT_NamedValue
    const values = new Uint8Array(Math.max(64, size * entries.length));
    const view = new DataView(values.buffer);
    const bytesOf = (text: string): Uint8Array => {
      const bytes = encoder.encode(text);
      keep.push(bytes);
      return bytes;
    };
    entries.forEach(([name, value], i) => {
      const at = size * i;
      const key = bytesOf(name);
      view.setBigUint64(at, BigInt(size), true);
      view.setBigUint64(at + 16, addressOf(key), true);
      view.setBigUint64(at + 24, BigInt(key.byteLength), true);
      view.setBigUint64(at + 48, 1n, true);
      if (typeof value === 'string') {
        const bytes = bytesOf(value);
        view.setInt32(at + 32, 0, true);
        view.setBigUint64(at + 40, addressOf(bytes), true);
        view.setBigUint64(at + 48, BigInt(bytes.byteLength), true);
      } else if (typeof value === 'bigint') {
        view.setInt32(at + 32, 1, true);
        view.setBigInt64(at + 40, value, true);
      } else if (typeof value === 'number') {
        view.setInt32(at + 32, 3, true);
        view.setFloat32(at + 40, value, true);
      } else {
        view.setInt32(at + 32, 4, true);
        view.setUint8(at + 40, value ? 1 : 0);
      }
    });
    keep.push(values);
    const create = this.#struct('Client_Create').set('options', addressOf(values)).set('optionCount', entries.length);
    return { create, keep };
  }
}
