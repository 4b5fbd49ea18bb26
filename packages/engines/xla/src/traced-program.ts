/**
 * `compile` on XLA: a function traced once for each signature and run as one executable from then on.
 *
 * A call gathers buffers (arguments, variables, captured constants), executes, wraps the results as tensors and puts
 * the new values of assigned variables in place. The old value of an assigned variable is donated unless another tensor
 * shares it, so a training step updates its parameters without a second copy and without a host round trip. Donated
 * arguments (`compile`'s option) likewise go to results of their type and shape, in order; the caller disposes them.
 */
import { callerLine, donationError, runTrace, tf, tree, withClones } from '@tesserae/tensor';
import type { Program } from '@tesserae/tensor';
import type { XlaBackend } from './backend.ts';
import { CallSignatures } from './call-signature.ts';
import { Node, sameShape } from './graph/node.ts';
import { writeModule } from './graph/write-module.ts';
import type { DeviceBuffer, Executable } from './pjrt/client.ts';
import { bufferType } from './pjrt/element-type.ts';
import type { BufferType } from './pjrt/element-type.ts';
import { explained, nodeInQuestion } from './origin.ts';
import type { Origin } from './origin.ts';
import { throwFirst } from './numerics.ts';
import { noteOf, noted } from './program-note.ts';
import type { ProgramNote } from './program-note.ts';
import { moveBuffer, readBuffer } from './sharding/move-buffer.ts';
import type { Placement } from './sharding/placement.ts';
import { takenOver } from './taken-over.ts';
import { Trace } from './trace.ts';
import { disposeCreated, restore, tracksData } from './traced-variables.ts';

/** Where an argument of the executable comes from at each call. */
type Source =
  | { readonly kind: 'argument'; readonly index: number; readonly donated: boolean }
  | { readonly kind: 'variable'; readonly variable: tf.Variable; readonly donated: boolean }
  | { readonly kind: 'constant'; readonly node: Node };

interface Specialization<R> {
  readonly executable: Executable;
  readonly note: ProgramNote;
  readonly sources: readonly Source[];
  /** Some inputs are used up. */
  readonly donates: boolean;
  /** On a mesh, how each argument must lie. */
  readonly placements: readonly Placement[] | undefined;
  /** Variables that the first outputs go to. */
  readonly assigned: readonly tf.Variable[];
  readonly results: readonly { readonly shape: readonly number[]; readonly dtype: tf.DataType }[];
  /** Puts the result tensors in their places. */
  rebuild(leaves: readonly tf.Tensor[]): R;
  /** Variables were made in the trace: the next call must trace again, when they exist. */
  readonly once: boolean;
  /** The ops that the last result has a bit for, in a `checkNumerics` scope. */
  readonly checked: readonly Origin[];
}

/** XLA refused one op of a program; internal, since the second trace throws what the caller sees. */
class RefusedOpError extends Error {}

/** See the file header. */
export class TracedProgram<A extends unknown[], R> implements Program<A, R> {
  readonly #backend: XlaBackend;
  readonly #fn: (...args: A) => R;
  readonly #name: string;
  readonly #donate: readonly number[];
  readonly #specializations = new Map<string, Specialization<R>>();
  readonly #signatures = new CallSignatures();
  #traces = 0;

  constructor(backend: XlaBackend, fn: (...args: A) => R, name: string, donate: readonly number[] = []) {
    this.#backend = backend;
    this.#fn = fn;
    this.#name = name;
    this.#donate = donate;
  }

  get traces(): number {
    return this.#traces;
  }

  call(...args: A): R {
    // Inside another trace this is a plain function: its nodes join the outer program.
    // Under a gradient the tape must see the ops, so they are recorded one by one.
    if (this.#backend.trace !== undefined || tf.engine().state.gradientDepth > 0)
      return tf.tidy(() => this.#fn(...withClones(args, this.#donate)) as tf.TensorContainer) as R;
    const leaves = tree.leaves(args);
    for (const leaf of leaves)
      if (leaf.isDisposed)
        throw (
          donationError(leaf) ??
          new Error(`compile: an argument of '${this.#name}', shape [${leaf.shape.join(', ')}], is disposed.`)
        );
    const key = this.#signatures.of(args, this.#backend);
    let specialization = this.#specializations.get(key);
    if (specialization === undefined) {
      specialization = this.#traced(args, leaves);
      if (!specialization.once) this.#specializations.set(key, specialization);
      else {
        const result = this.#run(specialization, leaves);
        this.#free(specialization);
        return result;
      }
    }
    return this.#run(specialization, leaves);
  }

  dispose(): void {
    for (const specialization of this.#specializations.values()) this.#free(specialization);
    this.#specializations.clear();
  }

  #free(specialization: Specialization<R>): void {
    this.#backend.client.destroyExecutable(specialization.executable);
    for (const source of specialization.sources) if (source.kind === 'constant') this.#backend.release(source.node);
  }

  /** Traces; if XLA refuses an op, once more, so that the error names the line that called it. */
  #traced(args: A, leaves: readonly tf.Tensor[]): Specialization<R> {
    try {
      return this.#traceCall(args, leaves);
    } catch (error) {
      if (!(error instanceof RefusedOpError)) throw error;
      this.#traces--;
      this.#backend.locating = true;
      try {
        return this.#traceCall(args, leaves);
      } finally {
        this.#backend.locating = false;
      }
    }
  }

  #traceCall(args: A, leaves: readonly tf.Tensor[]): Specialization<R> {
    const backend = this.#backend;
    backend.flush();
    this.#traces++;
    const trace = new Trace();
    const engine = tf.engine();
    const before = new Map<tf.Variable, tf.DataId>();
    for (const variable of Object.values(engine.registeredVariables)) before.set(variable, variable.dataId);
    // The old values must outlive the assignments of the trace, whatever becomes of it.
    for (const dataId of before.values()) if (tracksData(backend, dataId)) backend.incRef(dataId);

    const inputs: Node[] = [];
    const placements = new Map<tf.Tensor, Placement | undefined>();
    if (backend.deviceMesh !== undefined) {
      for (const leaf of [...leaves, ...before.keys()]) {
        if (leaf.dtype === 'string' || !tracksData(backend, leaf.dataId)) continue;
        placements.set(leaf, backend.placementOf(backend.leafOf(leaf)));
      }
    }
    backend.trace = trace;
    engine.startScope(this.#name);
    for (const [variable, dataId] of before)
      if (variable.dtype !== 'string' && tracksData(backend, dataId))
        trace.enter(variable, backend, placements.get(variable));
    let result: R | undefined;
    let outcome:
      { outputs: Node[]; assigned: tf.Variable[]; created: boolean; types: Specialization<R>['results'] } | undefined;
    try {
      const placeholders = leaves.map((leaf) => {
        if (leaf instanceof tf.Variable) return leaf;
        const node = new Node(bufferType(leaf.dtype), leaf.shape);
        node.placement = placements.get(leaf);
        inputs.push(node);
        const { dataId } = backend.output(node, leaf.dtype);
        return engine.makeTensorFromDataId(dataId, leaf.shape, leaf.dtype, backend);
      });
      const tracedArgs = tree.flatten(args).rebuild(placeholders);
      result = runTrace(() => tf.tidy(() => this.#fn(...tracedArgs) as tf.TensorContainer) as R);
      if (result instanceof Promise) {
        result.catch(() => {});
        throw new TypeError(`compile: '${this.#name}' returned a promise; a compiled function must be synchronous.`);
      }
      const resultLeaves = tree.leaves(result);
      const nodes = resultLeaves.map((leaf) => backend.nodeOf(leaf));
      const checks = trace.numerics?.result();
      const registered = Object.values(engine.registeredVariables);
      const assigned = registered.filter((variable) => trace.assigned(variable, backend));
      outcome = {
        outputs: [
          ...assigned.map((variable) => backend.nodeOf(variable)),
          ...nodes,
          ...(checks === undefined ? [] : [checks]),
        ],
        assigned,
        created: assigned.some((variable) => !before.has(variable)),
        types: resultLeaves.map((leaf) => ({ shape: [...leaf.shape], dtype: leaf.dtype })),
      };
      const donated = args.flatMap((arg, i) =>
        tree.leaves(arg).flatMap((leaf) => (leaf instanceof tf.Variable ? [] : [this.#donate.includes(i)])),
      );
      return this.#compileTrace(trace, inputs, donated, outcome, result);
    } catch (error) {
      for (const node of trace.constants.values()) node.owners--;
      throw error;
    } finally {
      // Put the variables back to the values that they had: `run` assigns the computed ones.
      for (const variable of Object.values(engine.registeredVariables)) {
        const old = before.get(variable);
        if (old !== undefined && old !== variable.dataId) restore(backend, variable, old);
      }
      for (const dataId of before.values()) if (tracksData(backend, dataId)) backend.disposeData(dataId);
      engine.endScope();
      backend.trace = undefined;
      if (outcome === undefined) disposeCreated(before);
      backend.flush();
    }
  }

  #compileTrace(
    trace: Trace,
    inputs: readonly Node[],
    donated: readonly boolean[],
    outcome: { outputs: Node[]; assigned: tf.Variable[]; created: boolean; types: Specialization<R>['results'] },
    result: R,
  ): Specialization<R> {
    const { outputs, assigned } = outcome;
    const donations = new Map<Node, number>();
    for (const [node, variable] of trace.variables) {
      const output = assigned.indexOf(variable);
      if (output >= 0) donations.set(node, output);
    }
    const captured = new Set(trace.constants.values());
    const mesh = this.#backend.deviceMesh;
    // A variable stays where it lies; other results are copied to all devices unless `shard` placed them.
    const kept = new Map([...trace.variables].map(([node, variable]) => [variable, node.placement]));
    const outputPlacements =
      mesh &&
      outputs.map((node, i) => {
        const variable = assigned[i];
        return (variable === undefined ? node.placement : kept.get(variable)) ?? mesh.placement(node.shape.length);
      });
    // A failed check must leave the arguments as they were.
    if ((trace.numerics?.origins.length ?? 0) === 0) {
      const firstResult = assigned.length;
      const results = outputs.map((node, i) => ({ node, placement: outputPlacements?.[i] })).slice(firstResult);
      const given = inputs
        .filter((_, i) => donated[i])
        .map((node) => ({ node, placement: mesh && this.#backend.placementOf(node) }));
      for (const [node, index] of takenOver(given, results)) donations.set(node, firstResult + index);
    }
    const module = writeModule(outputs, {
      name: this.#name,
      leading: inputs,
      donations,
      partition: mesh && {
        moduleHead: mesh.moduleHead,
        argument: (leaf) => this.#backend.placementOf(leaf) as Placement,
        output: (_, i) => outputPlacements?.[i] as Placement,
      },
      // Large values are arguments: as text they would make the module huge.
      inline: (leaf) => !captured.has(leaf) && leaf.size <= 1024,
    });
    const sources: Source[] = module.arguments.map((leaf, i) => {
      const donated = donations.has(leaf);
      if (i < inputs.length) return { kind: 'argument', index: i, donated };
      const variable = trace.variables.get(leaf);
      if (variable !== undefined) return { kind: 'variable', variable, donated };
      return { kind: 'constant', node: leaf };
    });
    // A leaf made by the trace itself with values too large to write out lives as long as the program.
    const used = new Set(module.arguments);
    for (const source of sources) if (source.kind === 'constant' && !captured.has(source.node)) source.node.owners++;
    for (const node of captured) if (!used.has(node)) node.owners--;
    const types = outputs.map((node, i) => ({
      type: node.type as BufferType,
      shape: node.shape,
      placement: outputPlacements?.[i],
    }));
    let executable: Executable;
    try {
      executable = this.#backend.programs.compile(module.text, module.arguments.length, types, mesh);
    } catch (error) {
      const explanation = explained(error, `compiling '${this.#name}'`, module);
      const retry = !this.#backend.locating && nodeInQuestion(error, module) !== undefined;
      throw retry ? new RefusedOpError(explanation.message) : explanation;
    }
    const flattened = tree.flatten(result);
    return {
      executable,
      note: noteOf(
        `running '${this.#name}'`,
        module,
        outputs,
        assigned.map(({ name }) => name),
      ),
      sources,
      donates: donations.size > 0,
      placements: mesh && module.arguments.map((leaf) => this.#backend.placementOf(leaf) as Placement),
      assigned,
      results: outcome.types,
      rebuild: (leaves) => flattened.rebuild(leaves),
      once: outcome.created,
      checked: trace.numerics?.origins ?? [],
    };
  }

  #run(specialization: Specialization<R>, allLeaves: readonly tf.Tensor[]): R {
    const backend = this.#backend;
    const leaves = allLeaves.filter((leaf) => !(leaf instanceof tf.Variable));
    const { executable, note, sources, placements, assigned, results, checked } = specialization;
    // What is in flight or waits may read what is used up here.
    backend.join();
    if (specialization.donates && backend.waiting) backend.flush();
    let flushed = false;
    const moved: DeviceBuffer[] = [];
    const ready = (node: Node, i: number, shared: boolean): DeviceBuffer => {
      if (node.operation !== undefined && !flushed) {
        backend.flush();
        flushed = true;
      }
      const placement = placements?.[i];
      // What others use too stays where it is.
      if (!shared || node.buffer === undefined || node.buffer.placement === placement)
        return backend.bufferOf(node, placement);
      const copy = moveBuffer(backend.client, backend.programs, node.buffer, placement);
      moved.push(copy);
      return copy;
    };
    const buffers: DeviceBuffer[] = [];
    const shared: number[] = [];
    for (let i = 0; i < sources.length; i++) {
      const source = sources[i] as Source;
      if (source.kind === 'constant') buffers.push(ready(source.node, i, true));
      else {
        const tensor = source.kind === 'argument' ? (leaves[source.index] as tf.Tensor) : source.variable;
        if (tensor.isDisposed)
          throw new Error(
            `compile: '${this.#name}' uses variable '${(tensor as tf.Variable).name}', which was disposed.`,
          );
        const data = backend.dataOf(tensor.dataId);
        const node = placements === undefined ? (data.node as Node) : backend.leafOf(tensor);
        const others = data.refCount > 1 || node.owners > 1;
        buffers.push(ready(node, i, others));
        if (source.donated && others) shared.push(i);
      }
    }
    // The same buffer twice: donating it once would take it from the other place.
    for (let i = 0; i < sources.length; i++) {
      const source = sources[i] as Source;
      if (source.kind === 'constant' || !source.donated || shared.includes(i)) continue;
      if (buffers.indexOf(buffers[i] as DeviceBuffer) !== buffers.lastIndexOf(buffers[i] as DeviceBuffer))
        shared.push(i);
    }
    let outputs: DeviceBuffer[];
    try {
      outputs = backend.client.execute(executable, buffers, shared);
    } catch (error) {
      throw noted(error, note, callerLine(new Error().stack));
    } finally {
      for (const copy of moved) backend.client.destroy(copy);
    }

    assigned.forEach((variable, i) => {
      const data = backend.dataOf(variable.dataId);
      const node = data.node as Node;
      data.trace = undefined; // a variable made by the trace itself
      if (data.refCount === 1 && node.owners === 1) {
        if (node.buffer !== undefined) backend.client.destroy(node.buffer);
        node.host = undefined;
        node.operation = undefined;
        node.buffer = outputs[i];
        node.program = note;
        if (!sameShape(node.shape, variable.shape)) data.node = leafOf(outputs[i] as DeviceBuffer, note, node);
      } else {
        const { dataId } = backend.output(leafOf(outputs[i] as DeviceBuffer, note), variable.dtype);
        const value = tf.engine().makeTensorFromDataId(dataId, variable.shape, variable.dtype, backend);
        variable.assign(value);
        value.dispose();
      }
    });
    const made = results.map(({ shape, dtype }, i) => {
      const buffer = outputs[assigned.length + i] as DeviceBuffer;
      const { dataId } = backend.output(leafOf(buffer, note), dtype);
      return tf.engine().makeTensorFromDataId(dataId, [...shape], dtype, backend);
    });
    if (checked.length > 0) {
      const bits = outputs[assigned.length + results.length] as DeviceBuffer;
      try {
        throwFirst(readBuffer(backend.client, backend.programs, bits), checked, this.#name);
      } catch (error) {
        tf.dispose(made);
        throw error;
      } finally {
        backend.client.destroy(bits);
      }
    }
    return specialization.rebuild(made);
  }
}

function leafOf(buffer: DeviceBuffer, program: ProgramNote, owner?: Node): Node {
  const node = new Node(buffer.type, buffer.shape);
  node.buffer = buffer;
  node.program = program;
  if (owner !== undefined) node.owners = owner.owners;
  return node;
}
