/**
 * The callbacks that `PJRT_Client_Create` takes where several processes compute together, each answered by a thread.
 *
 * `get` waits, so it has a thread of its own: the value that it waits for may be put by another thread of this process.
 * A callback on the thread that called PJRT would come back into the FFI library in the middle of a call, which that does
 * not survive; so calls that may ask for a value (making the client, running programs) go through `call`.
 */
import { Worker } from 'node:worker_threads';
import { keyValueWorker } from './key-value-worker.ts';
import type { ForeignCall, KeyValueAddresses, KeyValueWorkerData } from './key-value-worker.ts';
import type { ProcessGroup } from './process-group.ts';

/** See the file header. */
export interface KeyValueCallbacks extends KeyValueAddresses {
  /** Calls `PJRT_Error* f(Args*)` on another thread and waits for it, without turning the event loop. */
  call(fn: bigint, args: bigint): bigint;
}

/** Starts the threads; they end with the process. */
export async function keyValueCallbacks({ host, port, token }: ProcessGroup): Promise<KeyValueCallbacks> {
  const data: KeyValueWorkerData = { from: import.meta.url, host, port, token };
  const [waiting, quick] = await Promise.all([startThread(data), startThread(data)]);
  const cell = new SharedArrayBuffer(16);
  const [flag, result] = [new Int32Array(cell), new BigInt64Array(cell)];
  const call = (fn: bigint, args: bigint): bigint => {
    Atomics.store(flag, 0, 0);
    quick.worker.postMessage({ fn, args, cell } satisfies ForeignCall);
    Atomics.wait(flag, 0, 0);
    if (flag[0] === 2) throw new Error('internal: xla could not make a native call.');
    return BigInt.asUintN(64, result[1] as bigint);
  };
  return { get: waiting.addresses.get, tryGet: quick.addresses.tryGet, put: quick.addresses.put, call };
}

function startThread(data: KeyValueWorkerData): Promise<{ worker: Worker; addresses: KeyValueAddresses }> {
  const source = `
    const { parentPort, workerData } = require('node:worker_threads');
    const koffi = require('node:module').createRequire(workerData.from)('koffi');
    (${keyValueWorker.toString()})(koffi, parentPort, workerData);`;
  const worker = new Worker(source, { eval: true, workerData: data });
  return new Promise((resolve, reject) => {
    worker.once('error', reject);
    worker.once('message', (addresses: KeyValueAddresses) => {
      worker.unref();
      resolve({ worker, addresses });
    });
  });
}
