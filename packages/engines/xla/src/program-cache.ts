/**
 * Compiled programs by their text: in memory, the least recently used freed first, and behind that on disk.
 */
import { engineIdentity, executableKey } from './engine-identity.ts';
import type { ExecutableStore } from './executable-store.ts';
import type { Executable, PjrtClient } from './pjrt/client.ts';
import { XlaError } from './pjrt/errors.ts';
import type { Steps } from './pjrt/steps.ts';
import type { DeviceMesh } from './sharding/placement.ts';

/** See the file header. */
export class ProgramCache {
  readonly #programs = new Map<string, Executable>();
  readonly #client: PjrtClient;
  readonly #capacity: number;
  readonly #store: ExecutableStore | undefined;
  readonly #identity: string;
  /** How often something was compiled. */
  compilations = 0;
  /** Time spent compiling. */
  compileMilliseconds = 0;
  /** How often a compiled program was loaded from disk. */
  loads = 0;
  /** Time spent loading. */
  loadMilliseconds = 0;

  /** `capacity` is the number of programs kept in memory; without a `store` nothing is kept on disk. */
  constructor(client: PjrtClient, capacity: number, store?: ExecutableStore) {
    this.#client = client;
    this.#capacity = capacity;
    this.#store = store;
    this.#identity = store === undefined ? '' : engineIdentity(client);
  }

  /** The program of a module, compiled if it is new. */
  get(text: string, inputs: number, outputs: Executable['outputs'], mesh?: DeviceMesh): Executable {
    return this.#client.complete(this.getSteps(text, inputs, outputs, mesh));
  }

  /** {@link get} as steps. */
  *getSteps(text: string, inputs: number, outputs: Executable['outputs'], mesh?: DeviceMesh): Steps<Executable> {
    const found = this.#programs.get(text);
    if (found !== undefined) {
      this.#programs.delete(text);
      this.#programs.set(text, found);
      return found;
    }
    const executable = yield* this.compileSteps(text, inputs, outputs, mesh);
    this.#programs.set(text, executable);
    if (this.#programs.size > this.#capacity) {
      const [oldest] = this.#programs as Iterable<[string, Executable]>;
      if (oldest !== undefined) {
        this.#programs.delete(oldest[0]);
        this.#client.destroyExecutable(oldest[1]);
      }
    }
    return executable;
  }

  /** Compiles, or loads from disk, without keeping the program in memory: the caller frees it. */
  compile(text: string, inputs: number, outputs: Executable['outputs'], mesh?: DeviceMesh): Executable {
    return this.#client.complete(this.compileSteps(text, inputs, outputs, mesh));
  }

  /** {@link compile} as steps. */
  *compileSteps(text: string, inputs: number, outputs: Executable['outputs'], mesh?: DeviceMesh): Steps<Executable> {
    const store = this.#store;
    // A program of several devices is compiled each time: its options name the devices.
    if (store === undefined || mesh !== undefined) return yield* this.#compile(text, inputs, outputs, mesh);
    const key = executableKey(this.#identity, this.#client.compileOptions(text), text);
    const stored = store.read(key);
    if (stored?.kind === 'program') {
      const loaded = yield* this.#load(stored.bytes, inputs, outputs);
      if (loaded !== undefined) return loaded;
      store.remove(key);
    }
    const executable = yield* this.#compile(text, inputs, outputs);
    if (stored?.kind !== 'refusal') this.#keep(store, key, executable);
    return executable;
  }

  *#compile(text: string, inputs: number, outputs: Executable['outputs'], mesh?: DeviceMesh): Steps<Executable> {
    const start = performance.now();
    const executable = yield* this.#client.compileSteps(text, inputs, outputs, mesh);
    this.compilations++;
    this.compileMilliseconds += performance.now() - start;
    return executable;
  }

  /** Undefined if the plugin does not take the bytes. */
  *#load(bytes: Uint8Array, inputs: number, outputs: Executable['outputs']): Steps<Executable | undefined> {
    const start = performance.now();
    try {
      const executable = yield* this.#client.loadSteps(bytes, inputs, outputs);
      this.loads++;
      this.loadMilliseconds += performance.now() - start;
      return executable;
    } catch (error) {
      if (error instanceof XlaError) return undefined;
      throw error;
    }
  }

  /** Writes a program to disk, or that it cannot be written. */
  #keep(store: ExecutableStore, key: string, executable: Executable): void {
    try {
      store.write(key, { kind: 'program', bytes: this.#client.serialize(executable) });
    } catch (error) {
      if (!(error instanceof XlaError)) throw error;
      store.write(key, { kind: 'refusal', reason: error.detail });
    }
  }

  /** Frees all programs. */
  dispose(): void {
    for (const executable of this.#programs.values()) this.#client.destroyExecutable(executable);
    this.#programs.clear();
  }
}
