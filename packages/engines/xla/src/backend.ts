/**
 * The backend: TensorFlow.js kernels that record instead of computing.
 *
 * A kernel appends nodes to a graph. Reading a value, or too many recorded nodes, flushes: everything that live tensors
 * still need becomes one StableHLO module, is compiled (or found in the cache) and run, and the results become device
 * buffers. What was disposed before never leaves the program. Inside `compile` the same recording is kept and run again
 * (trace.ts).
 */
import { TraceReadError, callerLine, tf } from '@tesserae/tensor';
import type {
  ChoosingBackend,
  CompilingBackend,
  LoopingBackend,
  LoopStep,
  Mesh,
  MeshBackend,
  Program,
  RecordedLoop,
  TensorLike,
} from '@tesserae/tensor';
import type { TensorData } from './data.ts';
import type { ExecutableStore } from './executable-store.ts';
import { constant, convert, reshape } from './graph/hlo.ts';
import { Node, sameShape, sizeOf } from './graph/node.ts';
import { writeModule } from './graph/write-module.ts';
import { prefersScores } from './lowering/attention-tiles.ts';
import type { DeviceBuffer, PjrtClient } from './pjrt/client.ts';
import { bufferType, dtypeOf } from './pjrt/element-type.ts';
import type { BufferType, HostArray } from './pjrt/element-type.ts';
import { explained } from './origin.ts';
import { ProgramCache } from './program-cache.ts';
import { noteOf, noted } from './program-note.ts';
import { recordLoop } from './rolled-loop.ts';
import type { InFlight, Steps } from './pjrt/steps.ts';
import type { Trace } from './trace.ts';
import { moveBuffer, readBuffer, readBufferLater } from './sharding/move-buffer.ts';
import { DeviceMesh, axesText } from './sharding/placement.ts';
import type { Placement } from './sharding/placement.ts';
import { TracedProgram } from './traced-program.ts';

/** Nodes that may be recorded before a flush, so that memory of disposed buffers returns in time. */
const recordLimit = 4000;
/** Bytes of disposed buffers that may wait for a flush. */
const graveyardLimit = 128 * 2 ** 20;
/** Host values up to this many elements are copied when written; larger ones go to the device at once. */
const smallHostArray = 1024;
/** Programs that took less when they last ran are run at once: to ask another thread takes a tenth of a millisecond. */
const quickMilliseconds = 2;

/** When recorded kernels are computed: at the next read (or when many wait), or one by one as they are called. */
export type FlushPolicy = 'reads' | 'each';

/** See the file header. */
export class XlaBackend
  extends tf.KernelBackend
  implements ChoosingBackend, CompilingBackend, LoopingBackend, MeshBackend
{
  readonly client: PjrtClient;
  readonly programs: ProgramCache;
  readonly name: string;
  /** Kernel calls that were computed on the host, by kernel. */
  readonly hostFallbacks: Map<string, number> = new Map<string, number>();
  /** The trace that is running. */
  trace: Trace | undefined;
  /** Whether kernels note the line that called them. */
  locating = false;
  /** What programs run on; undefined for one device. */
  deviceMesh: DeviceMesh | undefined;

  readonly #data: tf.DataStorage<TensorData>;
  /** Data whose node is not computed yet, in the order of recording. */
  readonly #pending = new Set<TensorData>();
  /** Buffers that were disposed while recorded nodes may still need them. */
  #graveyard: DeviceBuffer[] = [];
  #graveyardBytes = 0;
  #recorded = 0;
  /** The program that an asynchronous read is waiting for. What it uses is not freed, and only one is at a time. */
  #inFlight: InFlight | undefined;
  #disposed = false;
  readonly #recordLimit: number;
  /** Equal meshes are one object, so that placements can be compared. */
  readonly #meshes = new Map<string, DeviceMesh>();

  /** With a `store`, compiled programs are kept on disk too. */
  constructor(client: PjrtClient, name: string, store?: ExecutableStore, flush: FlushPolicy = 'reads') {
    super();
    this.#recordLimit = flush === 'each' ? 0 : recordLimit;
    this.client = client;
    this.name = name;
    this.programs = new ProgramCache(client, 512, store);
    this.#data = new tf.DataStorage(this, tf.engine());
  }

  // ---- What TensorFlow.js asks of a backend ----

  override numDataIds(): number {
    return this.#data.numDataIds();
  }

  override write(values: tf.BackendValues, shape: number[], dtype: tf.DataType): tf.DataId {
    const dataId = {};
    this.move(dataId, values, shape, dtype, 1);
    return dataId;
  }

  override move(
    dataId: tf.DataId,
    values: tf.BackendValues,
    shape: number[],
    dtype: tf.DataType,
    refCount: number,
  ): void {
    if (dtype === 'string') {
      const strings = values as Uint8Array[];
      this.#data.set(dataId, { dtype, shape, node: undefined, strings, refCount, trace: undefined });
      return;
    }
    const node = this.#leaf(hostValues(values, shape, dtype), shape, bufferType(dtype));
    node.owners = 1;
    const data: TensorData = { dtype, shape, node, strings: undefined, refCount, trace: this.trace };
    this.#data.set(dataId, data);
    if (this.trace === undefined && node.operation !== undefined) this.#pending.add(data);
  }

  #leaf(values: HostArray, shape: readonly number[], type: BufferType): Node {
    const large = values.length > smallHostArray;
    // Zeros and ones of any size are a constant of the program instead of a transfer.
    if (large && type !== 'complex<f32>' && values.every((value) => value === values[0])) {
      return constant(values[0] as number, type, shape);
    }
    const node = new Node(type, shape);
    // In a trace the node may outlive its tensor, so its values stay on the host until the program is known.
    // On a mesh it may still be said how they shall lie.
    if (large && this.trace === undefined && this.deviceMesh === undefined)
      node.buffer = this.client.upload(values, type, shape);
    else node.host = values.slice();
    return node;
  }

  override readSync(dataId: tf.DataId): tf.BackendValues {
    const data = this.#readable(dataId, 'dataSync()');
    if (data.strings !== undefined) return data.strings;
    const node = data.node as Node;
    if (node.host !== undefined) return node.host.slice();
    try {
      return readBuffer(this.client, this.programs, node.buffer as DeviceBuffer);
    } catch (error) {
      throw noted(error, node.program);
    }
  }

  override async read(dataId: tf.DataId): Promise<tf.BackendValues> {
    const data = this.#data.get(dataId);
    const waiting = data.trace === undefined && this.trace === undefined ? data.node : undefined;
    if (waiting !== undefined && isRecorded(waiting) && this.client.platform === 'cpu') {
      // The value as it is now, whatever becomes of the tensor meanwhile.
      waiting.owners++;
      const claim = { ...data };
      this.#pending.add(claim);
      try {
        await this.#computeLater(waiting);
        if (this.#disposed) throw new Error('xla: the engine was disposed while tensor.data() was waiting.');
        return await this.#download(waiting);
      } finally {
        this.#pending.delete(claim);
        if (!this.#disposed) {
          this.release(waiting);
          if (this.#inFlight === undefined) this.#bury();
        }
      }
    }
    const { strings, node } = this.#readable(dataId, 'data()');
    return strings ?? (await this.#download(node as Node));
  }

  async #download(node: Node): Promise<tf.BackendValues> {
    if (node.failure !== undefined) throw node.failure;
    if (node.host !== undefined) return node.host.slice();
    try {
      return await readBufferLater(this.client, this.programs, node.buffer as DeviceBuffer);
    } catch (error) {
      throw noted(error, node.program);
    }
  }

  /** Computes a recorded node, and what else is waiting, on another thread where that is possible. */
  async #computeLater(node: Node): Promise<void> {
    const possible = this.deviceMesh === undefined && (await this.client.canDoLater());
    while (isRecorded(node) && !this.#disposed) {
      if (!possible || this.deviceMesh !== undefined) this.flush();
      else {
        if (this.#inFlight === undefined) this.#flushLater();
        await this.#landed();
      }
    }
  }

  #readable(dataId: tf.DataId, call: string): TensorData {
    const data = this.#data.get(dataId);
    if (data.trace !== undefined || this.trace !== undefined)
      throw new TraceReadError(`tensor.${call}`, callerLine(new Error().stack));
    if (data.node !== undefined && data.node.operation !== undefined) this.flush();
    if (data.node?.failure !== undefined) throw data.node.failure;
    return data;
  }

  /** A typed buffer of the values, for host kernels of other packages. */
  bufferSync<R extends tf.Rank, D extends tf.DataType>(info: tf.TensorInfo): tf.TensorBuffer<R, D> {
    return tf.buffer(info.shape as tf.ShapeMap[R], info.dtype as D, this.readSync(info.dataId) as tf.DataTypeMap[D]);
  }

  override refCount(dataId: tf.DataId): number {
    return this.#data.has(dataId) ? this.#data.get(dataId).refCount : 0;
  }

  override incRef(dataId: tf.DataId): void {
    this.#data.get(dataId).refCount++;
  }

  decRef(dataId: tf.DataId): void {
    if (this.#data.has(dataId)) this.#data.get(dataId).refCount--;
  }

  override disposeData(dataId: tf.DataId, force = false): boolean {
    if (!this.#data.has(dataId)) return true;
    const data = this.#data.get(dataId);
    data.refCount--;
    if (!force && data.refCount > 0) return false;
    this.#data.delete(dataId);
    this.#pending.delete(data);
    if (data.node !== undefined) this.release(data.node);
    // What was recorded and never needed is dead once nothing waits: without this, #recorded stays above 0 and every
    // buffer freed from now on waits for a flush that no later step asks for.
    if (this.trace === undefined && this.#recorded > 0 && this.#pending.size === 0 && this.#inFlight === undefined)
      this.flush();
    return true;
  }

  override memory(): { unreliable: boolean; reasons?: string[]; numBytesOnDevice: number; numBuffersOnDevice: number } {
    return {
      unreliable: false,
      numBytesOnDevice: this.client.bytesInUse,
      numBuffersOnDevice: this.client.buffersInUse,
    };
  }

  prefersComposed(kernel: string, shapes: readonly (readonly number[])[]): boolean {
    return this.client.platform === 'cpu' && kernel === 'FlashAttention' && prefersScores(shapes);
  }

  override floatPrecision(): 16 | 32 {
    return 32;
  }

  override epsilon(): number {
    return 1e-7;
  }

  override timerAvailable(): boolean {
    return true;
  }

  override async time(fn: () => void): Promise<tf.BackendTimingInfo> {
    this.flush();
    const start = performance.now();
    fn();
    this.flush();
    await this.synchronize();
    return { kernelMs: performance.now() - start };
  }

  /** Waits until the device has done everything that was asked. */
  async synchronize(): Promise<void> {
    this.flush();
    const size = this.deviceMesh?.mesh.axes.data ?? 1;
    const marker = this.client.upload(new Float32Array(size), 'f32', [size], this.deviceMesh?.placement(1, ['data']));
    await this.client.download(marker);
    this.client.destroy(marker);
  }

  // ---- Several devices ----

  get mesh(): Mesh | undefined {
    return this.deviceMesh?.mesh;
  }

  get processes(): { readonly index: number; readonly count: number } {
    return this.client.processes;
  }

  useMesh(mesh: Mesh | undefined): void {
    if (mesh === this.mesh) return;
    if (this.trace !== undefined)
      throw new Error('withMesh: a compiled function cannot change the mesh. Call it inside.');
    const key = mesh === undefined ? '' : axesText(mesh);
    let next = this.#meshes.get(key);
    if (mesh !== undefined && next === undefined) {
      next = new DeviceMesh(mesh, this.client.devices);
      this.#meshes.set(key, next);
    }
    this.flush();
    this.deviceMesh = next;
  }

  /**
   * The node of a tensor outside of traces. On a mesh it gets the tensor's own shape, which placements are about: tensors
   * that share data by reshaping may have others.
   */
  leafOf({ dataId, shape }: tf.TensorInfo): Node {
    const data = this.#data.get(dataId);
    const old = data.node as Node;
    if (this.deviceMesh === undefined || sameShape(old.shape, shape)) return old;
    const node = reshape(old, shape);
    node.owners = 1;
    data.node = node;
    this.#pending.add(data);
    this.flush();
    this.release(old);
    return node;
  }

  /** How a leaf lies, or will once it is uploaded, on the mesh in use. */
  placementOf(leaf: Node): Placement | undefined {
    const mesh = this.deviceMesh;
    if (mesh === undefined) return undefined;
    const placement = leaf.buffer?.placement ?? leaf.placement;
    return placement?.mesh === mesh ? placement : mesh.placement(leaf.shape.length);
  }

  override dispose(): void {
    this.join();
    this.#disposed = true;
    this.programs.dispose();
    this.client.dispose();
  }

  // ---- Recording ----

  /** The data behind a tensor. */
  dataOf(dataId: tf.DataId): TensorData {
    return this.#data.get(dataId);
  }

  /** The node of a kernel's input, in the tensor's own shape and in the type of its dtype. */
  nodeOf(info: tf.TensorInfo): Node {
    const node = this.storedNodeOf(info);
    return node.type === 'bf16' ? convert(node, 'f32') : node;
  }

  /** The same as it is stored: a float32 tensor's node may be bfloat16 in a trace (lowering/half-activations.ts). */
  storedNodeOf(info: tf.TensorInfo): Node {
    const data = this.#data.get(info.dataId);
    const node = this.trace === undefined ? data.node : this.trace.nodeOf(data);
    if (node === undefined)
      throw new TypeError(`xla: a tensor of strings, shape [${info.shape.join(', ')}], cannot be computed with.`);
    if (node.failure !== undefined) throw node.failure;
    return sameShape(node.shape, info.shape) ? node : reshape(node, info.shape);
  }

  /** Makes a kernel's output of a node. */
  output(node: Node, dtype: tf.DataType = dtypeOf(node.type)): tf.TensorInfo {
    const dataId = {};
    node.owners++;
    const data: TensorData = { dtype, shape: node.shape, node, strings: undefined, refCount: 1, trace: this.trace };
    this.#data.set(dataId, data);
    if (this.trace === undefined && node.operation !== undefined) {
      this.#pending.add(data);
      if (++this.#recorded > this.#recordLimit || this.#graveyardBytes > graveyardLimit) this.flush();
    }
    return { dataId, shape: [...node.shape], dtype };
  }

  /** The same data for another tensor: reshaping and cloning cost nothing. */
  share(info: tf.TensorInfo, shape: number[]): tf.TensorInfo {
    // In a trace, data from outside becomes an input of the program first, so that the clone belongs to the trace.
    if (this.trace !== undefined && this.#data.get(info.dataId).trace !== this.trace) {
      const node = this.storedNodeOf(info);
      return this.output(sameShape(node.shape, shape) ? node : reshape(node, shape), info.dtype);
    }
    this.incRef(info.dataId);
    return { dataId: info.dataId, shape, dtype: info.dtype };
  }

  /** Forgets one owner of a node; frees its buffer with the last one, once no recorded node can need it. */
  release(node: Node): void {
    if (--node.owners > 0 || node.buffer === undefined) return;
    // A recorded node may still read a buffer that is gone by then: those wait for the flush, keeping their node.
    if (this.#recorded > 0 || this.trace !== undefined || this.#inFlight !== undefined) {
      this.#graveyard.push(node.buffer);
      this.#graveyardBytes += node.buffer.bytes;
    } else {
      this.client.destroy(node.buffer);
      node.buffer = undefined;
    }
  }

  /** Whether recorded kernels wait, which may read any buffer. */
  get waiting(): boolean {
    return this.#pending.size > 0;
  }

  /** Computes everything that live tensors wait for, as one program. */
  flush(): void {
    if (this.trace !== undefined) throw new Error('internal: xla flush during a trace.');
    this.join();
    this.client.complete(this.#flushSteps());
    this.#bury();
  }

  /** The same on another thread. Until that is done, kernels only record. */
  #flushLater(): void {
    this.#inFlight = this.client.later(this.#flushSteps());
    if (this.#inFlight === undefined) this.#bury();
  }

  /** When the program in flight is done. */
  async #landed(): Promise<void> {
    const flight = this.#inFlight;
    try {
      await flight?.done;
    } finally {
      if (flight !== undefined && this.#inFlight === flight) this.#land();
    }
  }

  /** Waits for the program in flight, if there is one. */
  join(): void {
    if (this.#inFlight === undefined) return;
    try {
      this.#inFlight.join();
    } finally {
      this.#land();
    }
  }

  /** The program in flight is done. */
  #land(): void {
    this.#inFlight = undefined;
    this.#bury();
  }

  /** Frees what was disposed, unless something recorded may still need it. */
  #bury(): void {
    if (this.#pending.size === 0) this.#recorded = 0;
    if (this.#recorded > 0) return;
    for (const buffer of this.#graveyard) this.client.destroy(buffer);
    this.#graveyard = [];
    this.#graveyardBytes = 0;
  }

  *#flushSteps(): Steps<void> {
    const batch = [...this.#pending];
    const nodes = new Set<Node>();
    for (const { node } of batch) if (node !== undefined && isRecorded(node)) nodes.add(node);
    this.#pending.clear();
    this.#recorded = 0;
    if (nodes.size === 0) return;
    try {
      yield* this.#compute([...nodes]);
    } catch (error) {
      for (const data of batch) if (data.node !== undefined && isRecorded(data.node)) this.#pending.add(data);
      throw error;
    }
  }

  /** Runs what is recorded as one program; if XLA refuses it, each output alone, so that only what is wrong fails. */
  *#compute(outputs: Node[]): Steps<void> {
    const mesh = this.deviceMesh;
    // What `shard` placed lies like that; everything else is computed wherever XLA likes and copied to all devices.
    const placements = mesh && outputs.map((node) => node.placement ?? mesh.placement(node.shape.length));
    const partition = mesh && {
      moduleHead: mesh.moduleHead,
      argument: (leaf: Node) => this.placementOf(leaf) as Placement,
      output: (_: Node, i: number) => placements?.[i] as Placement,
    };
    const module = writeModule(outputs, { name: 'eager', partition });
    const types = outputs.map((node, i) => ({
      type: node.type as BufferType,
      shape: node.shape,
      placement: placements?.[i],
    }));
    const note = noteOf('computing', module, outputs);
    let results: DeviceBuffer[];
    try {
      const program = yield* this.programs.getSteps(module.text, module.arguments.length, types, mesh);
      const inputs = module.arguments.map((leaf) => this.bufferOf(leaf));
      const start = performance.now();
      const quick = program.milliseconds !== undefined && program.milliseconds < quickMilliseconds;
      results = quick ? this.client.execute(program, inputs) : yield* this.client.executeSteps(program, inputs);
      program.milliseconds = performance.now() - start;
    } catch (error) {
      const [only, ...others] = outputs as [Node, ...Node[]];
      if (others.length === 0) only.failure = explained(noted(error, note), 'computing', module);
      else for (const output of outputs) yield* this.#compute([output]);
      return;
    }
    outputs.forEach((node, i) => {
      const buffer = results[i] as DeviceBuffer;
      node.operation = undefined;
      node.buffer = buffer;
      node.program = note;
      // Disposed while the program ran.
      if (node.owners === 0) {
        this.#graveyard.push(buffer);
        this.#graveyardBytes += buffer.bytes;
      }
    });
  }

  /** The device buffer of a leaf, uploaded if its values are still on the host, and moved if it lies elsewhere. */
  bufferOf(leaf: Node, placement: Placement | undefined = this.placementOf(leaf)): DeviceBuffer {
    if (leaf.buffer !== undefined && leaf.buffer.placement !== placement) {
      const moved = moveBuffer(this.client, this.programs, leaf.buffer, placement);
      this.client.destroy(leaf.buffer);
      leaf.buffer = moved;
    }
    if (leaf.buffer === undefined) {
      if (leaf.host === undefined) throw new Error('internal: xla leaf without values.');
      leaf.buffer = this.client.upload(leaf.host, leaf.type as BufferType, leaf.shape, placement);
      // Without an owner nobody would free it later.
      if (leaf.owners === 0) this.#graveyard.push(leaf.buffer);
    }
    return leaf.buffer;
  }

  recordLoop(step: LoopStep, init: readonly TensorLike[], x: readonly TensorLike[]): RecordedLoop {
    return recordLoop(this, step, init, x);
  }

  compileFunction<A extends unknown[], R>(
    fn: (...args: A) => R,
    name: string,
    donate: readonly number[] = [],
  ): Program<A, R> {
    return new TracedProgram(this, fn, name, donate);
  }

  /** A scalar or filled tensor as a node. */
  fill(value: number, shape: readonly number[], dtype: tf.DataType): Node {
    return constant(value, bufferType(dtype), shape);
  }
}

/** Whether a node is to be computed yet. */
function isRecorded(node: Node): boolean {
  return node.operation !== undefined && node.failure === undefined;
}

function hostValues(values: tf.BackendValues, shape: readonly number[], dtype: tf.DataType): HostArray {
  const size = sizeOf(shape) * (dtype === 'complex64' ? 2 : 1);
  const source = (values ?? []) as ArrayLike<number>;
  if (source.length !== size) {
    throw new RangeError(
      `xla: ${dtype} of shape [${shape.join(', ')}] needs ${size} values, but got ${source.length}.`,
    );
  }
  if (dtype === 'int32') return source instanceof Int32Array ? source : Int32Array.from(source);
  if (dtype === 'bool')
    return source instanceof Uint8Array ? source : Uint8Array.from(source, (value) => (value ? 1 : 0));
  return source instanceof Float32Array ? source : Float32Array.from(source);
}
