/** Compiled programs by their text, the least recently used freed first. */
import type { Executable, PjrtClient } from './pjrt/client.ts';

/** See the file header. */
export class ProgramCache {
  readonly #programs = new Map<string, Executable>();
  readonly #client: PjrtClient;
  readonly #capacity: number;
  /** How often something was compiled. */
  compilations = 0;
  /** Time spent compiling. */
  compileMilliseconds = 0;

  constructor(client: PjrtClient, capacity: number) {
    this.#client = client;
    this.#capacity = capacity;
  }

  /** The program of a module, compiled if it is new. */
  get(text: string, inputs: number, outputs: Executable['outputs']): Executable {
    const found = this.#programs.get(text);
    if (found !== undefined) {
      this.#programs.delete(text);
      this.#programs.set(text, found);
      return found;
    }
    const executable = this.compile(text, inputs, outputs);
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

  /** Compiles without keeping the program: the caller frees it. */
  compile(text: string, inputs: number, outputs: Executable['outputs']): Executable {
    const start = performance.now();
    const executable = this.#client.compile(text, inputs, outputs);
    this.compilations++;
    this.compileMilliseconds += performance.now() - start;
    return executable;
  }

  /** Frees all programs. */
  dispose(): void {
    for (const executable of this.#programs.values()) this.#client.destroyExecutable(executable);
    this.#programs.clear();
  }
}
