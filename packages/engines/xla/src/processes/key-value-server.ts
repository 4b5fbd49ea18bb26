/**
 * Where processes that compute together meet: a small table of bytes by key, over TCP.
 *
 * A request is one connection: 32 characters of token, one byte of operation (`g`et, `t`ry to get, `p`ut), the lengths of
 * key and value (uint32, little-endian; for `g` the second is a time-out in milliseconds instead), key, value. The answer
 * is one byte (0 done, 1 not there) and the value. `g` is answered when the key is there.
 */
import { timingSafeEqual } from 'node:crypto';
import { createServer } from 'node:net';
import type { AddressInfo, Server, Socket } from 'node:net';

const headBytes = 41;
const largestRequest = 64 * 2 ** 20;
/** Milliseconds without a byte after which an unfinished request is dropped. */
const requestPatience = 30_000;
/** What a timer can wait at most. */
const longestWait = 2 ** 31 - 1;

/** See the file header. */
export class KeyValueServer {
  readonly #server: Server;
  readonly #token: Buffer;
  readonly #patience: number;
  readonly #values = new Map<string, Buffer>();
  readonly #waiting = new Map<string, Set<(value: Buffer) => void>>();
  readonly #sockets = new Set<Socket>();

  private constructor(token: string, patience: number) {
    this.#patience = patience;
    this.#token = Buffer.from(token);
    this.#server = createServer((socket) => this.#serve(socket));
  }

  /**
   * Starts one.
   *
   * @param token 32 characters of ASCII that each request must begin with
   * @param host the address to listen at, this machine's own by default
   * @param port 0, the default, takes a free one
   * @param patience milliseconds without a byte after which an unfinished request is dropped, 30,000 by default
   * @throws RangeError for another token; Error if the address cannot be listened at.
   */
  static async start(
    token: string,
    host = '127.0.0.1',
    port = 0,
    patience: number = requestPatience,
  ): Promise<KeyValueServer> {
    if (Buffer.byteLength(token) !== 32) {
      throw new RangeError(
        `KeyValueServer: 'token' must have 32 bytes, got ${Buffer.byteLength(token)}. Make it of 16 random bytes in hexadecimal.`,
      );
    }
    const made = new KeyValueServer(token, patience);
    await new Promise<void>((resolve, reject) => {
      made.#server.once('error', reject);
      made.#server.listen(port, host, resolve);
    });
    return made;
  }

  /** `127.0.0.1:4711`. */
  get address(): string {
    const { address, port } = this.#server.address() as AddressInfo;
    return `${address}:${port}`;
  }

  /** Ends it, and what waits. */
  async close(): Promise<void> {
    for (const socket of this.#sockets) socket.destroy();
    await new Promise<void>((resolve) => this.#server.close(() => resolve()));
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.close();
  }

  #serve(socket: Socket): void {
    this.#sockets.add(socket);
    socket.on('close', () => this.#sockets.delete(socket));
    socket.on('error', () => socket.destroy());
    // Who says half a sentence and waits must not hold a connection for ever.
    socket.setTimeout(this.#patience, () => socket.destroy());
    const parts: Buffer[] = [];
    const read = (part: Buffer): void => {
      parts.push(part);
      const request = Buffer.concat(parts);
      if (request.length < headBytes) return;
      const operation = String.fromCharCode(request[32] as number);
      const keyBytes = request.readUInt32LE(33);
      if (!'gtp'.includes(operation)) return void socket.destroy();
      const valueBytes = operation === 'p' ? request.readUInt32LE(37) : 0;
      const allowed = timingSafeEqual(request.subarray(0, 32), this.#token);
      if (!allowed || headBytes + keyBytes + valueBytes > largestRequest) return void socket.destroy();
      if (request.length < headBytes + keyBytes + valueBytes) return;
      socket.off('data', read);
      socket.setTimeout(0);
      const key = request.toString('latin1', headBytes, headBytes + keyBytes);
      if (operation === 'p')
        this.#put(socket, key, request.subarray(headBytes + keyBytes, headBytes + keyBytes + valueBytes));
      else this.#get(socket, key, operation === 'g' ? request.readUInt32LE(37) : 0);
    };
    socket.on('data', read);
  }

  #put(socket: Socket, key: string, value: Buffer): void {
    this.#values.set(key, value);
    for (const give of this.#waiting.get(key) ?? []) give(value);
    this.#waiting.delete(key);
    socket.end(Buffer.of(0));
  }

  #get(socket: Socket, key: string, timeout: number): void {
    const value = this.#values.get(key);
    if (value !== undefined || timeout === 0) {
      socket.end(value === undefined ? Buffer.of(1) : Buffer.concat([Buffer.of(0), value]));
      return;
    }
    const waiting = this.#waiting.get(key) ?? new Set();
    this.#waiting.set(key, waiting);
    const give = (found: Buffer | undefined): void => {
      clearTimeout(timer);
      waiting.delete(give);
      socket.end(found === undefined ? Buffer.of(1) : Buffer.concat([Buffer.of(0), found]));
    };
    const timer = setTimeout(() => give(undefined), Math.min(timeout, longestWait));
    waiting.add(give);
    socket.on('close', () => {
      clearTimeout(timer);
      waiting.delete(give);
    });
  }
}
