/**
 * A PJRT client: the devices of one plugin, and a first one that is meant where no mesh is in use. Compiles StableHLO,
 * moves values, runs programs.
 *
 * Every method is one or two calls of the C API; ownership is explicit: whoever gets a `DeviceBuffer` or `Executable`
 * destroys it.
 */
import { sizeOf } from '../graph/node.ts';
import { PjrtApi } from './api.ts';
import type { FunctionName } from './api-table.ts';
import { compileOptions } from './compile-options.ts';
import type { XlaFlags } from './compile-options.ts';
import { clientText, deviceKind, memoryStats } from './describe.ts';
import type { MemoryStats } from './describe.ts';
import { listDevices } from './devices.ts';
import { byteSize, hostArray, pjrtType } from './element-type.ts';
import type { BufferType, HostArray } from './element-type.ts';
import { XlaError, byteText } from './errors.ts';
import type { KeyValueCallbacks } from '../processes/key-value-callbacks.ts';
import { cut } from '../sharding/blocks.ts';
import { assemble, partsOf } from '../sharding/parts.ts';
import type { Device, DeviceMesh, Placement } from '../sharding/placement.ts';
import { NamedValues } from './named-values.ts';
import type { OptionValues } from './named-values.ts';
import { addressOf, copyFrom, functionAt } from './native.ts';
import type { Address } from './native.ts';
import { prepareCall } from './prepared-call.ts';
import type { PreparedCall } from './prepared-call.ts';
import { HelperThread } from './helper-thread.ts';
import { InFlight, complete } from './steps.ts';
import type { NativeCall, Steps } from './steps.ts';
import type { Struct } from './struct.ts';

/** Values on the device, or on each device of a mesh. */
export interface DeviceBuffer {
  /** 0n once it is freed. On a mesh, that of the first of `shards`. */
  handle: Address;
  readonly type: BufferType;
  readonly shape: readonly number[];
  /** On all devices of this process together. */
  readonly bytes: number;
  /** How it lies on a mesh; undefined on one device. */
  readonly placement: Placement | undefined;
  /** On a mesh, the part of each device of this process, in the order of the mesh. */
  readonly shards: readonly Address[] | undefined;
}

/** Type, shape and, on a mesh, placement of an output. */
export interface OutputType {
  readonly type: BufferType;
  readonly shape: readonly number[];
  readonly placement?: Placement | undefined;
}

/** A loaded program. */
export interface Executable {
  readonly handle: Address;
  readonly outputs: readonly OutputType[];
  /** What an SPMD program runs on. */
  readonly mesh: DeviceMesh | undefined;
  /** Argument and output pointer lists, allocated once. */
  readonly call: PreparedCall;
  /** How long its last run took, where that was measured. */
  milliseconds?: number;
}

/** What a client is made of. */
export interface ClientConfig {
  /** Path of the plugin's shared library. */
  readonly path: string;
  /** Libraries that the plugin needs, opened first, in this order. */
  readonly preload?: readonly string[];
  /** Options of `PJRT_Client_Create`: strings, integers, floats and booleans. */
  readonly options?: OptionValues;
  /** Where several processes compute together: which one this is, and how it asks for what the others say. */
  readonly processes?: { readonly index: number; readonly count: number; readonly keyValue: KeyValueCallbacks };
}

const encoder = new TextEncoder();

/** See the file header. */
export class PjrtClient {
  /** The plugin's library. */
  readonly path: string;
  /** `[major, minor]` of the plugin's API. */
  readonly apiVersion: readonly [number, number];
  readonly platform: string;
  readonly platformVersion: string;
  /** Which of the processes that compute together this is. */
  readonly processes: { readonly index: number; readonly count: number };
  /** Those of all processes, in the order of their ids. */
  readonly devices: readonly Device[];
  readonly deviceKind: string;
  /** Bytes of the buffers that we hold. */
  bytesInUse = 0;
  /** Number of buffers that we hold. */
  buffersInUse = 0;
  /** Debug options of XLA for programs of several devices that are compiled from now on. */
  meshFlags: XlaFlags = {};

  readonly #api: PjrtApi;
  readonly #client: Address;
  readonly #device: Address;
  /** Makes calls on another thread, where several processes compute together. */
  readonly #elsewhere: KeyValueCallbacks | undefined;
  readonly #upload: Struct;
  readonly #download: Struct;
  readonly #event: Struct;
  readonly #buffer: Struct;
  readonly #dims = new BigInt64Array(16);
  readonly #helper = new HelperThread();

  constructor(config: ClientConfig) {
    this.#api = new PjrtApi(config.path, config.preload);
    this.path = config.path;
    this.apiVersion = this.#api.version;
    this.#api.run('Plugin_Initialize', this.#api.struct('Plugin_Initialize'), 'initialising the plugin');
    const { processes } = config;
    const group = processes && { node_id: BigInt(processes.index), num_nodes: BigInt(processes.count) };
    const options = new NamedValues({ ...config.options, ...group });
    const create = this.#api.struct('Client_Create').set('options', options.address).set('optionCount', options.count);
    if (processes !== undefined) {
      const { get, tryGet, put } = processes.keyValue;
      create.set('kvGet', get).set('kvPut', put).set('kvTryGet', tryGet);
    }
    this.processes = processes ?? { index: 0, count: 1 };
    this.#elsewhere = processes?.keyValue;
    this.#runAsking('Client_Create', create, 'creating the client');
    options.release();
    this.#client = create.get('client');

    this.devices = listDevices(this.#api, this.#client);
    const first = this.devices.find(({ local }) => local);
    if (first === undefined) throw new XlaError('listing devices', 'the plugin has no device.');
    this.#device = first.address;
    this.platform = clientText(this.#api, this.#client, 'Client_PlatformName');
    this.platformVersion = clientText(this.#api, this.#client, 'Client_PlatformVersion');
    this.deviceKind = deviceKind(this.#api, this.#device);

    this.#api.usage = () => ({ bytes: this.memoryStats()?.bytesInUse ?? this.bytesInUse, buffers: this.buffersInUse });
    this.#upload = this.#api
      .struct('Client_BufferFromHostBuffer')
      .set('client', this.#client)
      .set('dims', addressOf(this.#dims));
    this.#download = this.#api.struct('Buffer_ToHostBuffer');
    this.#event = this.#api.struct('Event');
    this.#buffer = this.#api.struct('Buffer');
  }

  /** Number of devices that this process drives. */
  get deviceCount(): number {
    return this.devices.filter(({ local }) => local).length;
  }

  /** What a module is compiled with, as a serialised `CompileOptionsProto`. */
  compileOptions(module: string, mesh?: DeviceMesh): Uint8Array {
    const several = mesh && { devices: mesh.devices.map(({ id }) => id), flags: this.meshFlags };
    return compileOptions({ platform: this.platform, module, ...several });
  }

  /**
   * Compiles a module of StableHLO text. `inputs` is the number of arguments of its main function; with a mesh it
   * becomes one program on all of its devices.
   */
  compile(module: string, inputs: number, outputs: Executable['outputs'], mesh?: DeviceMesh): Executable {
    return this.complete(this.compileSteps(module, inputs, outputs, mesh));
  }

  /** {@link compile} as steps. */
  *compileSteps(module: string, inputs: number, outputs: Executable['outputs'], mesh?: DeviceMesh): Steps<Executable> {
    const options = this.compileOptions(module, mesh);
    const code = encoder.encode(module);
    const format = encoder.encode('mlir');
    const program = this.#api
      .struct('Program')
      .point('code', code)
      .set('codeSize', code.byteLength)
      .point('format', format)
      .set('formatSize', format.byteLength);
    const args = this.#api
      .struct('Client_Compile')
      .set('client', this.#client)
      .point('program', program)
      .point('options', options)
      .set('optionsSize', options.byteLength);
    yield { name: 'Client_Compile', args, operation: 'compiling' };
    const handle = args.get('executable');
    const call = prepareCall(this.#api, handle, inputs, outputs.length, mesh?.local.length ?? 1);
    return { handle, outputs, mesh, call };
  }

  /**
   * Runs a program. Inputs that the program's aliasing donates are used up, except those whose positions are in
   * `keep`; the caller still destroys their handles.
   */
  execute(executable: Executable, inputs: readonly DeviceBuffer[], keep: readonly number[] = []): DeviceBuffer[] {
    this.#fill(executable, inputs, keep);
    this.#runAsking('LoadedExecutable_Execute', executable.call.args, 'running a program');
    return this.#results(executable);
  }

  /** {@link execute} as steps; the program must not run a second time, nor inputs be freed, before it is done. */
  *executeSteps(executable: Executable, inputs: readonly DeviceBuffer[]): Steps<DeviceBuffer[]> {
    this.#fill(executable, inputs, []);
    yield { name: 'LoadedExecutable_Execute', args: executable.call.args, operation: 'running a program' };
    return this.#results(executable);
  }

  #fill({ call }: Executable, inputs: readonly DeviceBuffer[], keep: readonly number[]): void {
    for (let i = 0; i < inputs.length; i++) {
      const { handle, type, shape } = inputs[i] as DeviceBuffer;
      // The plugin would follow a null pointer.
      if (handle === 0n) throw new Error(`internal: xla input ${i}, ${type} [${shape.join(', ')}], was freed.`);
      call.inputs[i] = handle;
      for (let d = 1; d < call.devices; d++) {
        call.inputs[d * inputs.length + i] = (inputs[i] as DeviceBuffer).shards?.[d] as bigint;
      }
    }
    for (let i = 0; i < keep.length; i++) call.nonDonatable[i] = BigInt(keep[i] as number);
    call.options.set('nonDonatableCount', keep.length);
  }

  #results({ call, outputs }: Executable): DeviceBuffer[] {
    return outputs.map(({ type, shape, placement }, i) => {
      if (placement === undefined) return this.#own(call.results[i] as bigint, type, shape);
      const shards = Array.from({ length: call.devices }, (_, d) => call.results[d * outputs.length + i] as bigint);
      return this.#ownShards(shards, type, shape, placement);
    });
  }

  /** Frees a program. */
  destroyExecutable(executable: Executable): void {
    this.#api.run(
      'LoadedExecutable_Destroy',
      this.#api.struct('Executable').set('executable', executable.handle),
      'freeing a program',
    );
  }

  /** Copies host values to the device, or to the devices of a mesh. The array may change as soon as this returns. */
  upload(values: HostArray, type: BufferType, shape: readonly number[], placement?: Placement): DeviceBuffer {
    if (placement === undefined) return this.#own(this.#send(values, type, shape, this.#device), type, shape);
    const { mesh } = placement;
    const shards = mesh.local.map((position) => {
      const block = mesh.block(placement, shape, position);
      return this.#send(cut(values, type, shape, block), type, block.size, (mesh.devices[position] as Device).address);
    });
    return this.#ownShards(shards, type, shape, placement);
  }

  #send(values: HostArray, type: BufferType, shape: readonly number[], device: Address): Address {
    const dims = shape.length > this.#dims.length ? new BigInt64Array(shape.length) : this.#dims;
    for (let i = 0; i < shape.length; i++) dims[i] = BigInt(shape[i] as number);
    this.#upload
      .point('data', values)
      .setInt('type', pjrtType(type))
      .point('dims', dims)
      .set('rank', shape.length)
      .set('device', device)
      .setInt('semantics', 0);
    this.#api.run('Client_BufferFromHostBuffer', this.#upload, `copying ${type} [${shape.join(', ')}] to the device`);
    this.#upload.release();
    this.#destroyEvent(this.#upload.get('done'));
    return this.#upload.get('buffer');
  }

  /** Copies values to the host, waiting for them. */
  downloadSync(buffer: DeviceBuffer): HostArray {
    const parts = partsOf(buffer);
    if (parts !== undefined)
      return assemble(
        buffer,
        parts,
        parts.map(({ part }) => this.downloadSync(part)),
      );
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
    const parts = partsOf(buffer);
    if (parts !== undefined) {
      return assemble(buffer, parts, await Promise.all(parts.map(({ part }) => this.download(part))));
    }
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
    const values = this.#arrayFor(buffer);
    if (values.byteLength === 0) return { values, event: 0n };
    this.#download
      .set('buffer', buffer.handle)
      .set('data', addressOf(values))
      .set('size', values.byteLength)
      .set('event', 0n);
    this.#api.run('Buffer_ToHostBuffer', this.#download, 'reading from the device');
    return { values, event: this.#download.get('event') };
  }

  #arrayFor({ handle, type, shape }: DeviceBuffer): HostArray {
    try {
      return hostArray(type, sizeOf(shape));
    } catch (error) {
      if (!(error instanceof RangeError)) throw error;
      // What has no room here had perhaps none on the device either, which explains more.
      const ready = this.#api.struct('Buffer_ReadyEvent').set('buffer', handle);
      this.#api.run('Buffer_ReadyEvent', ready, 'waiting for a value');
      const failure = this.#api.function('Event_Await')(this.#event.set('event', ready.get('event')).address);
      this.#destroyEvent(ready.get('event'));
      this.#api.check(failure, 'computing');
      const bytes = byteText(byteSize(type, sizeOf(shape)));
      throw new RangeError(`xla: ${type} [${shape.join(', ')}] has ${bytes}, too many to read into one array.`, {
        cause: error,
      });
    }
  }

  /** Frees a buffer, also one that was donated. */
  destroy(buffer: DeviceBuffer): void {
    if (buffer.handle === 0n) return;
    for (const handle of buffer.shards ?? [buffer.handle]) {
      this.#api.run('Buffer_Destroy', this.#buffer.set('buffer', handle), 'freeing a buffer');
    }
    buffer.handle = 0n;
    this.bytesInUse -= buffer.bytes;
    this.buffersInUse--;
  }

  /** Bytes in use on the device as its allocator counts them, where the plugin says. */
  memoryStats(): MemoryStats | undefined {
    return memoryStats(this.#api, this.#device);
  }

  /** The program as XLA optimised it, as serialised HLO; for `doctor` and profiling. */
  optimizedProgram(executable: Executable): Uint8Array {
    return this.#inspect(executable, (unloaded) => {
      const program = this.#api.struct('Program');
      const args = this.#api
        .struct('Executable_OptimizedProgram')
        .set('executable', unloaded)
        .point('program', program);
      this.#api.run('Executable_OptimizedProgram', args, 'inspecting a program');
      const code = new Uint8Array(Number(program.get('codeSize')));
      program.point('code', code);
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
    return this.complete(this.loadSteps(bytes, inputs, outputs));
  }

  /** {@link load} as steps. */
  *loadSteps(bytes: Uint8Array, inputs: number, outputs: Executable['outputs']): Steps<Executable> {
    const args = this.#api
      .struct('Executable_DeserializeAndLoad')
      .set('client', this.#client)
      .point('bytes', bytes)
      .set('byteCount', bytes.byteLength);
    yield { name: 'Executable_DeserializeAndLoad', args, operation: 'loading a program' };
    const handle = args.get('executable');
    return { handle, outputs, mesh: undefined, call: prepareCall(this.#api, handle, inputs, outputs.length, 1) };
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

  /** Does the steps here. */
  complete<R>(steps: Steps<R>): R {
    return complete(steps, (call) => this.#runAsking(call.name, call.args, call.operation));
  }

  /** Whether {@link later} is possible; starts the helper thread if need be. */
  async canDoLater(): Promise<boolean> {
    // Where processes compute together, calls are on another thread already.
    return this.#elsewhere === undefined && this.#helper.start();
  }

  /** Does the steps with their calls on the helper thread, or all here should that have ended. */
  later(steps: Steps<void>): InFlight | undefined {
    if (!this.#helper.ready) {
      this.complete(steps);
      return undefined;
    }
    return new InFlight(steps, {
      here: (call) => this.#runAsking(call.name, call.args, call.operation),
      elsewhere: (call: NativeCall) => this.#helper.call(this.#api.address(call.name), call.args.address),
      finish: (call, begun) => this.#api.check(begun.result(), call.operation),
    });
  }

  /** Ends the client. Buffers and programs must not be used afterwards, and nothing may be in flight. */
  dispose(): void {
    this.#helper.end();
    this.#api.run('Client_Destroy', this.#api.struct('Client').set('client', this.#client), 'closing the client');
  }

  /** A call in which the plugin may ask for values of other processes. */
  #runAsking(name: FunctionName, args: Struct, operation: string): void {
    const keyValue = this.#elsewhere;
    if (keyValue === undefined) this.#api.run(name, args, operation);
    else this.#api.check(keyValue.call(this.#api.address(name), args.address), operation);
  }

  #own(handle: Address, type: BufferType, shape: readonly number[]): DeviceBuffer {
    const bytes = byteSize(type, sizeOf(shape));
    this.bytesInUse += bytes;
    this.buffersInUse++;
    return { handle, type, shape, bytes, placement: undefined, shards: undefined };
  }

  #ownShards(
    shards: readonly Address[],
    type: BufferType,
    shape: readonly number[],
    placement: Placement,
  ): DeviceBuffer {
    const { mesh } = placement;
    const { size } = mesh.block(placement, shape, mesh.local[0] as number);
    const bytes = shards.length * byteSize(type, sizeOf(size));
    this.bytesInUse += bytes;
    this.buffersInUse++;
    return { handle: shards[0] as Address, type, shape, bytes, placement, shards };
  }

  #destroyEvent(event: Address): void {
    if (event !== 0n) this.#api.function('Event_Destroy')(this.#event.set('event', event).address);
  }
}
