/**
 * Work with long native calls in it, written once and done in either of two ways: all of it here and now, or with the
 * calls on the helper thread, in which case it can still be finished here at any time.
 */
import type { BegunCall } from './helper-thread.ts';
import type { FunctionName } from './api-table.ts';
import type { Struct } from './struct.ts';

/** A native call that work waits for. */
export interface NativeCall {
  readonly name: FunctionName;
  readonly args: Struct;
  /** What is being done, for the error. */
  readonly operation: string;
}

/** Work that yields its long calls. The plugin's error is thrown where it yielded. */
export type Steps<R> = Generator<NativeCall, R, void>;

/** How calls are made. */
export interface Caller {
  /** Makes the call here; throws the plugin's error. */
  here(call: NativeCall): void;
  /** Begins it on the helper thread. */
  elsewhere(call: NativeCall): BegunCall;
  /** Waits for a call that was begun; throws the plugin's error. */
  finish(call: NativeCall, begun: BegunCall): void;
}

/** Does all the work here. */
export function complete<R>(steps: Steps<R>, here: Caller['here']): R {
  return rest(steps, steps.next(), here);
}

/** The work that is left once a call was reached. */
function rest<R>(steps: Steps<R>, from: IteratorResult<NativeCall, R>, here: Caller['here']): R {
  let at = from;
  while (at.done !== true) {
    const call = at.value;
    at = resumed(steps, () => here(call));
  }
  return at.value;
}

/** Goes on after a call. */
function resumed<R>(steps: Steps<R>, finish: () => void): IteratorResult<NativeCall, R> {
  try {
    finish();
  } catch (error) {
    return steps.throw(error);
  }
  return steps.next();
}

/** Work whose calls are on the helper thread. It runs up to its first call when it is made. */
export class InFlight {
  /** When it is done, here or there; rejects with what the work threw. */
  readonly done: Promise<void>;
  readonly #steps: Steps<void>;
  readonly #caller: Caller;
  #at: IteratorResult<NativeCall, void>;
  #begun: BegunCall | undefined;
  #over = false;

  constructor(steps: Steps<void>, caller: Caller) {
    this.#steps = steps;
    this.#caller = caller;
    this.#at = steps.next();
    this.#begin();
    this.done = this.#follow();
    // Whoever joins gets the error thrown; nobody needs to listen here too.
    this.done.catch(() => {});
  }

  /** Whether nothing is left to do. */
  get over(): boolean {
    return this.#over;
  }

  #begin(): void {
    if (this.#at.done === true) this.#over = true;
    else this.#begun = this.#caller.elsewhere(this.#at.value);
  }

  async #follow(): Promise<void> {
    while (!this.#over) {
      await this.#begun?.ended;
      // Somebody may have joined meanwhile.
      if (!this.#over) this.#go(() => this.#begin());
    }
  }

  /** Does what is left here, waiting for the call that is under way. */
  join(): void {
    if (this.#over) return;
    this.#go(() => {
      rest(this.#steps, this.#at, (call) => this.#caller.here(call));
      this.#over = true;
    });
  }

  /** Takes the result of the call that is under way, and goes on with `then`. */
  #go(then: () => void): void {
    const [call, begun] = [this.#at.value as NativeCall, this.#begun as BegunCall];
    try {
      this.#at = resumed(this.#steps, () => this.#caller.finish(call, begun));
      then();
    } catch (error) {
      this.#over = true;
      throw error;
    }
  }
}
