/**
 * A thread that makes native calls in place of the JavaScript thread, so that timers and sockets go on meanwhile.
 *
 * `koffi` has asynchronous calls too, but nothing synchronous can wait for one of those: its result arrives through the
 * event loop. Here the result is in shared memory before the message, so that `dataSync()` can wait for what `data()`
 * began. Addresses are good in all threads of a process, so the thread needs nothing but the FFI library; its code is text,
 * so that bundlers need not know of it.
 */
import { Worker } from 'node:worker_threads';
import type { Address } from './native.ts';

/** A call that was begun. */
export interface BegunCall {
  /** When the event loop has heard that it ended; never rejects. */
  readonly ended: Promise<void>;
  /** Its result, waiting for it without turning the event loop. */
  result(): Address;
}

/** States of the shared cell. */
const [running, returned, failed] = [0, 1, 2] as const;

const source = `
  const { parentPort, workerData } = require('node:worker_threads');
  const koffi = require('node:module').createRequire(workerData.from)('koffi');
  koffi.load(null); // without a library opened in this thread its first call crashes
  const prototype = koffi.proto('void *', ['void *']);
  const flag = new Int32Array(workerData.cell);
  const result = new BigInt64Array(workerData.cell);
  const functions = new Map();
  parentPort.on('message', ({ fn, args }) => {
    let state = ${failed};
    try {
      if (!functions.has(fn)) functions.set(fn, koffi.decode(fn, prototype));
      result[1] = BigInt.asIntN(64, functions.get(fn)(args) ?? 0n);
      state = ${returned};
    } finally {
      Atomics.store(flag, 0, state);
      Atomics.notify(flag, 0);
      parentPort.postMessage('ended');
    }
  });
  parentPort.postMessage('ready');`;

/** See the file header. */
export class HelperThread {
  readonly #cell = new SharedArrayBuffer(16);
  readonly #flag = new Int32Array(this.#cell);
  readonly #result = new BigInt64Array(this.#cell);
  /** Of the calls whose end the event loop has not heard of, in their order. */
  readonly #hearing: (() => void)[] = [];
  /** It, starting or started. */
  #thread: Worker | undefined;
  /** The same once it takes calls. */
  #worker: Worker | undefined;
  #starting: Promise<boolean> | undefined;
  readonly #from: string;

  /** `from` is the module that finds the FFI library. */
  constructor(from: string = import.meta.url) {
    this.#from = from;
  }

  /** Starts it, once. False where it cannot be: threads are not allowed, or the FFI library is not where it was. */
  start(): Promise<boolean> {
    return (this.#starting ??= new Promise((resolve) => {
      let worker: Worker;
      try {
        worker = new Worker(source, {
          eval: true,
          execArgv: [],
          workerData: { from: this.#from, cell: this.#cell },
        });
      } catch {
        resolve(false);
        return;
      }
      this.#thread = worker;
      worker.on('message', (message: 'ready' | 'ended') => {
        if (message === 'ready') {
          if (this.#thread !== worker) return; // ended before it had started
          this.#worker = worker;
          resolve(true);
        } else this.#hearing.shift()?.();
        // It keeps the process alive only while somebody waits for it.
        if (this.#hearing.length === 0) worker.unref();
      });
      worker.on('error', () => {}); // the exit says it
      worker.on('exit', () => {
        this.#worker = undefined;
        this.#starting = Promise.resolve(false);
        resolve(false);
        if (this.#flag[0] === running) this.#flag[0] = failed;
        for (const heard of this.#hearing.splice(0)) heard();
      });
    }));
  }

  /** Whether {@link call} is possible. */
  get ready(): boolean {
    return this.#worker !== undefined;
  }

  /** Begins `PJRT_Error* f(Args*)`. The result of the call before must have been taken. */
  call(fn: Address, args: Address): BegunCall {
    const worker = this.#worker;
    if (worker === undefined) throw new Error('internal: xla helper thread is not running.');
    Atomics.store(this.#flag, 0, running);
    const ended = new Promise<void>((resolve) => this.#hearing.push(resolve));
    worker.ref();
    worker.postMessage({ fn, args });
    const result = (): Address => {
      Atomics.wait(this.#flag, 0, running);
      if (this.#flag[0] === failed) throw new Error('internal: xla helper thread could not make a native call.');
      return BigInt.asUintN(64, this.#result[1] as bigint);
    };
    return { ended, result };
  }

  /** Ends the thread; nothing may be under way. */
  end(): void {
    void this.#thread?.terminate();
    this.#thread = this.#worker = undefined;
    this.#starting = Promise.resolve(false);
  }
}
