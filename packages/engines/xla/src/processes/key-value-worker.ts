/**
 * The thread that answers the plugin's questions to the key-value server.
 *
 * PJRT calls back from threads of its own while the main thread may be inside PJRT, waiting for just that answer; so a
 * thread with an event loop of its own answers, with blocking sockets of the C library: the callback must return the
 * value. The function below is sent to the thread as text, so it uses nothing from outside of itself.
 *
 * Struct layouts: `PJRT_KeyValue…Callback_Args` of `xla/pjrt/c/pjrt_c_api.h` (openxla/xla, Apache-2.0).
 */
import type { MessagePort } from 'node:worker_threads';
import type Koffi from 'koffi';

/** What the thread is given. */
export interface KeyValueWorkerData {
  /** Where `koffi` is found from. */
  readonly from: string;
  readonly host: string;
  readonly port: number;
  readonly token: string;
}

/** What it is asked: to call `PJRT_Error* f(Args*)` on a thread of the pool, and to wake who waits for the result. */
export interface ForeignCall {
  readonly fn: bigint;
  readonly args: bigint;
  /** Int32: 1 when the result is there. BigInt64 at byte 8: the result. */
  readonly cell: SharedArrayBuffer;
}

/** What it answers first: addresses of C functions. */
export interface KeyValueAddresses {
  readonly get: bigint;
  readonly tryGet: bigint;
  readonly put: bigint;
}

/** Runs in the thread. */
export function keyValueWorker(koffi: typeof Koffi, port: MessagePort, data: KeyValueWorkerData): void {
  const library = koffi.load(process.platform === 'darwin' ? 'libSystem.dylib' : 'libc.so.6');
  const socketOf = library.func('int socket(int, int, int)') as (...args: number[]) => number;
  const connect = library.func('int connect(int, const uint8_t *, uint32_t)') as (
    socket: number,
    address: Uint8Array,
    size: number,
  ) => number;
  const send = library.func('intptr_t send(int, const uint8_t *, size_t, int)') as (
    socket: number,
    bytes: Uint8Array,
    size: number,
    flags: number,
  ) => number;
  const receive = library.func('intptr_t recv(int, _Out_ uint8_t *, size_t, int)') as typeof send;
  const close = library.func('int close(int)') as (socket: number) => number;

  /** One request to the server. Undefined if the key is not there; throws without a server. */
  const ask = (operation: 'g' | 't' | 'p', key: Uint8Array, value: Uint8Array, timeout: number): Buffer | undefined => {
    const head = Buffer.alloc(41);
    head.write(data.token, 0, 'latin1');
    head.write(operation, 32, 'latin1');
    head.writeUInt32LE(key.length, 33);
    head.writeUInt32LE(operation === 'p' ? value.length : timeout, 37);
    const request = Buffer.concat([head, key, value]);
    const address = Buffer.alloc(16); // struct sockaddr_in
    if (process.platform === 'darwin') address.writeUInt8(16, 0);
    if (process.platform === 'darwin') address.writeUInt8(2, 1);
    else address.writeUInt16LE(2, 0);
    address.writeUInt16BE(data.port, 2);
    Buffer.from(data.host.split('.').map(Number)).copy(address, 4);
    const socket = socketOf(2, 1, 0);
    try {
      if (connect(socket, address, 16) !== 0) throw new Error(`cannot reach ${data.host}:${data.port}`);
      for (let sent = 0; sent < request.length;) {
        const part = Number(send(socket, request.subarray(sent), request.length - sent, 0));
        if (part <= 0) throw new Error('the connection broke');
        sent += part;
      }
      const parts: Buffer[] = [];
      for (;;) {
        const part = Buffer.alloc(65_536);
        const size = Number(receive(socket, part, part.length, 0));
        if (size < 0) throw new Error('the connection broke');
        if (size === 0) break;
        parts.push(part.subarray(0, size));
      }
      const answer = Buffer.concat(parts);
      if (answer.length === 0) throw new Error('the server refused or ended');
      return answer[0] === 0 ? answer.subarray(1) : undefined;
    } finally {
      close(socket);
    }
  };

  const view = (address: bigint, size: number): DataView => new DataView(koffi.view(address, size));
  const bytesAt = (struct: DataView, at: number): Buffer => {
    const size = Number(struct.getBigUint64(at + 8, true));
    return size === 0 ? Buffer.alloc(0) : Buffer.from(koffi.view(struct.getBigUint64(at, true), size).slice(0));
  };
  const failing = koffi.proto('void *TesseraeCallbackError(int code, const char *message, size_t size)');
  /** A PJRT error, made by the function whose pointer the struct's field points to. */
  const failure = (struct: DataView, at: number, code: number, message: string): bigint => {
    const pointer = view(struct.getBigUint64(at, true), 8).getBigUint64(0, true);
    const make = koffi.decode(pointer, failing) as unknown as (code: number, message: string, size: number) => bigint;
    return make(code, message, Buffer.byteLength(message));
  };
  const answered = koffi.proto('void *TesseraeKeyValue(void *args)');
  const deleted = koffi.proto('void TesseraeDelete(void *value)');

  /** Values on loan to the plugin. */
  const lent = new Map<bigint, Buffer>();
  const deleter = koffi.register((value: bigint) => void lent.delete(value), koffi.pointer(deleted)) as bigint;

  const notFound = 5;
  const deadline = 4;
  const unavailable = 14;
  const lookUp =
    (operation: 'g' | 't') =>
    (args: bigint): bigint => {
      // `get` has a time-out before the last four fields.
      const shift = operation === 'g' ? 8 : 0;
      const struct = view(args, 72 + shift);
      const key = bytesAt(struct, 16);
      try {
        const timeout = operation === 'g' ? Math.max(1, struct.getInt32(32, true)) : 0;
        const value = ask(operation, key, Buffer.alloc(0), timeout);
        if (value === undefined) {
          const why = operation === 'g' ? `no value within ${timeout} ms` : 'no value';
          return failure(struct, 32 + shift, operation === 'g' ? deadline : notFound, `${why} for ${key.toString()}`);
        }
        // At least one byte, so that it has an address.
        const copy = Buffer.from(new Uint8Array(new ArrayBuffer(Math.max(64, value.length))).buffer);
        value.copy(copy);
        const address = koffi.address(copy) as bigint;
        lent.set(address, copy);
        struct.setBigUint64(48 + shift, address, true);
        struct.setBigUint64(56 + shift, BigInt(value.length), true);
        struct.setBigUint64(64 + shift, deleter, true);
        return 0n;
      } catch (error) {
        return failure(struct, 32 + shift, unavailable, `key-value server: ${String(error)}`);
      }
    };
  const store = (args: bigint): bigint => {
    const struct = view(args, 64);
    try {
      ask('p', bytesAt(struct, 16), bytesAt(struct, 32), 0);
      return 0n;
    } catch (error) {
      return failure(struct, 48, unavailable, `key-value server: ${String(error)}`);
    }
  };

  const addressOf = (fn: (args: bigint) => bigint): bigint => koffi.register(fn, koffi.pointer(answered)) as bigint;
  const addresses: KeyValueAddresses = {
    get: addressOf(lookUp('g')),
    tryGet: addressOf(lookUp('t')),
    put: addressOf(store),
  };
  port.postMessage(addresses);
  // Also keeps the event loop, which callbacks come through.
  port.on('message', ({ fn, args, cell }: ForeignCall) => {
    const call = koffi.decode(fn, answered) as unknown as {
      async(args: bigint, done: (error: unknown, result: bigint | null) => void): void;
    };
    call.async(args, (error, result) => {
      new BigInt64Array(cell)[1] = BigInt.asIntN(64, result ?? 0n);
      Atomics.store(new Int32Array(cell), 0, error ? 2 : 1);
      Atomics.notify(new Int32Array(cell), 0);
    });
  });
}
