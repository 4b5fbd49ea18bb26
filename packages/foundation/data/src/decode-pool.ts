/**
 * Decodes pictures in worker threads, so that neither the event loop nor the training step waits for them.
 *
 * Workers start when there is work and keep no process alive once it is done. A worker that dies takes down one file,
 * which is reported as undecodable; another worker takes its place.
 */
import { availableParallelism } from 'node:os';
import { Worker } from 'node:worker_threads';
import { decodePicture, type Decoded, type DecodeSettings } from './decode.ts';

interface Job {
  readonly file: string;
  readonly settle: (decoded: Decoded) => void;
}

/** Number of workers when none is asked for: the cores, at most 4 (the decoders share four native threads). */
export function defaultWorkers(): number {
  return Math.min(availableParallelism(), 4);
}

/** See the file's header. */
export class DecodePool implements Disposable {
  readonly #settings: DecodeSettings;
  readonly #limit: number;
  readonly #waiting: Job[] = [];
  readonly #idle: Worker[] = [];
  readonly #busy = new Map<Worker, Job>();
  #closed = false;

  /** @param workers - Number of threads; 0 decodes in the calling thread. */
  constructor(settings: DecodeSettings, workers: number = defaultWorkers()) {
    if (!Number.isSafeInteger(workers) || workers < 0) {
      throw new RangeError(`DecodePool: workers must be a whole number of at least 0, got ${workers}`);
    }
    this.#settings = settings;
    this.#limit = workers;
  }

  /** Decode one file; files are taken in the order of the calls. */
  decode(file: string): Promise<Decoded> {
    if (this.#closed) return Promise.reject(new Error('DecodePool.decode: the pool is closed'));
    if (this.#limit === 0) return decodePicture(file, this.#settings);
    return new Promise((settle) => {
      this.#waiting.push({ file, settle });
      this.#assign();
    });
  }

  /** Stop the workers. Files still waiting are reported as undecodable. */
  close(): void {
    this.#closed = true;
    for (const { settle } of [...this.#waiting.splice(0), ...this.#busy.values()]) {
      settle({ ok: false, reason: 'the decoder was closed' });
    }
    for (const worker of [...this.#idle.splice(0), ...this.#busy.keys()]) void worker.terminate();
    this.#busy.clear();
  }

  [Symbol.dispose](): void {
    this.close();
  }

  #assign(): void {
    while (this.#waiting.length > 0) {
      const worker = this.#idle.pop() ?? (this.#busy.size < this.#limit ? this.#start() : undefined);
      if (!worker) return;
      const job = this.#waiting.shift() as Job;
      this.#busy.set(worker, job);
      worker.ref();
      worker.postMessage(job.file);
    }
  }

  #start(): Worker {
    // The same file from source (Node strips the types) and from dist.
    const entry = import.meta.url.endsWith('.ts') ? './decode-worker.ts' : './decode-worker.js';
    const worker = new Worker(new URL(entry, import.meta.url), { workerData: this.#settings, execArgv: [] });
    worker.unref();
    const finish = (decoded: Decoded): void => {
      const job = this.#busy.get(worker);
      this.#busy.delete(worker);
      job?.settle(decoded);
    };
    worker.on('message', (decoded: Decoded) => {
      finish(decoded);
      worker.unref();
      if (!this.#closed) this.#idle.push(worker);
      this.#assign();
    });
    let reason = 'the decoder stopped';
    worker.on('error', (error) => (reason = `the decoder failed: ${String(error)}`));
    worker.on('exit', () => {
      const position = this.#idle.indexOf(worker);
      if (position >= 0) this.#idle.splice(position, 1);
      finish({ ok: false, reason });
      if (!this.#closed) this.#assign();
    });
    return worker;
  }
}
