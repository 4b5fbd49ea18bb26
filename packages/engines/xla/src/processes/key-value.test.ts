/** The key-value server, and the callbacks as PJRT calls them: from other threads, while the main thread is busy. */
import { connect } from 'node:net';
import { Worker } from 'node:worker_threads';
import { expect, test } from 'vitest';
import { addressOf, copyFrom, functionAt } from '../pjrt/native.ts';
import { keyValueCallbacks } from './key-value-callbacks.ts';
import { KeyValueServer } from './key-value-server.ts';
import { processGroup } from './process-group.ts';

const token = '0123456789abcdef0123456789abcdef';
const environment = {
  TESSERAE_NODE: '1',
  TESSERAE_NODES: '2',
  TESSERAE_COORDINATOR: '127.0.0.1:80',
  TESSERAE_TOKEN: token,
};

/** The argument struct of one call: pointers and sizes as 64-bit words. */
const words = (...values: (bigint | undefined)[]): BigUint64Array =>
  BigUint64Array.from(values, (value) => value ?? 0n);
const text = (value: string): Uint8Array => new TextEncoder().encode(value.padEnd(64));

/** A server on another thread, since the main thread of the test waits. */
async function serverElsewhere(): Promise<{ worker: Worker; port: number }> {
  const source = `const { parentPort, workerData } = require('node:worker_threads');
    import(workerData.file).then(async ({ KeyValueServer }) =>
      parentPort.postMessage((await KeyValueServer.start(workerData.token)).address));`;
  const file = new URL('key-value-server.ts', import.meta.url).href;
  const worker = new Worker(source, { eval: true, workerData: { file, token } });
  const address = await new Promise<string>((resolve, reject) => {
    worker.once('message', resolve);
    worker.once('error', reject);
  });
  return { worker, port: Number(address.split(':')[1]) };
}

test('values come back, also those that are waited for, and a missing one is no value', async () => {
  const { worker, port } = await serverElsewhere();
  const callbacks = await keyValueCallbacks({ index: 0, count: 2, host: '127.0.0.1', port, token });
  const key = text('key');
  const value = Uint8Array.from({ length: 100_000 }, (_, i) => i);

  // struct_size, extension, key, key size, time-out, error, user, value, value size, deleter
  const waiting = words(80n, 0n, addressOf(key), 3n, 20_000n, ...Array<undefined>(5));
  const found = functionAt(callbacks.get).async(addressOf(waiting));
  const stored = words(64n, 0n, addressOf(key), 3n, addressOf(value), BigInt(value.length), 0n, 0n);
  // Meanwhile the main thread waits and can answer nothing itself.
  expect(callbacks.call(callbacks.put, addressOf(stored))).toBe(0n);
  expect(await found).toBe(0n);
  expect(Buffer.compare(copyFrom(waiting[7] as bigint, Number(waiting[8])), value)).toBe(0);
  const at = words(72n, 0n, addressOf(key), 3n, ...Array<undefined>(5));
  expect(callbacks.call(callbacks.tryGet, addressOf(at))).toBe(0n);
  expect(at[7]).toBe(100_000n);
  await worker.terminate();
});

test('a request without the token gets no answer', async () => {
  await using server = await KeyValueServer.start(token);
  const socket = connect(Number(server.address.split(':')[1]), '127.0.0.1');
  const request = Buffer.alloc(42);
  request.write('f'.repeat(32) + 't', 0, 'latin1');
  request.writeUInt32LE(1, 33);
  socket.write(request);
  const received: Buffer[] = [];
  socket.on('data', (part) => received.push(part));
  socket.on('error', () => {});
  await new Promise((resolve) => socket.once('close', resolve));
  expect(received).toEqual([]);
});

/** What the server answers to these bytes; undefined if it hangs up without an answer. */
async function answerTo(address: string, bytes: Uint8Array): Promise<Buffer | undefined> {
  const socket = connect(Number(address.split(':')[1]), '127.0.0.1');
  const received: Buffer[] = [];
  socket.on('data', (part) => received.push(part));
  socket.on('error', () => {});
  socket.write(bytes);
  await new Promise((resolve) => socket.once('close', resolve));
  return received.length === 0 ? undefined : Buffer.concat(received);
}

function request(operation: string, key: string, second: number, value = ''): Buffer {
  const head = Buffer.alloc(41);
  head.write(token + operation, 0, 'latin1');
  head.writeUInt32LE(key.length, 33);
  head.writeUInt32LE(second, 37);
  return Buffer.concat([head, Buffer.from(key + value, 'latin1')]);
}

test('garbage and half requests are dropped, and the server goes on', async () => {
  await using server = await KeyValueServer.start(token, '127.0.0.1', 0, 100);
  const { address } = server;
  const huge = request('p', 'k', 2 ** 32 - 1);
  const dropped = [
    Buffer.from('GET / HTTP/1.1\r\nHost: localhost\r\nUser-Agent: nobody\r\n\r\n'),
    Buffer.alloc(41, 0xff),
    Buffer.from('half'),
    request('p', 'key', 10, 'short'),
    request('x', 'key', 0),
    huge,
  ];
  for (const bytes of dropped) expect(await answerTo(address, bytes)).toBeUndefined();
  // What follows the value is no part of it.
  expect(await answerTo(address, request('p', 'key', 5, 'valuewaste'))).toEqual(Buffer.of(0));
  expect(String(await answerTo(address, request('t', 'key', 0)))).toBe('\0value');
});

test('the longest time-out is not none, and waiting outlives the patience with half requests', async () => {
  await using server = await KeyValueServer.start(token, '127.0.0.1', 0, 50);
  const waiting = answerTo(server.address, request('g', 'late', 2 ** 32 - 1));
  await new Promise((resolve) => setTimeout(resolve, 200));
  await answerTo(server.address, request('p', 'late', 1, 'v'));
  expect(String(await waiting)).toBe('\0v');
});

test('a token of another length and a port in use are refused', async () => {
  await expect(KeyValueServer.start('short')).rejects.toThrow(/'token' must have 32 bytes, got 5/);
  await using server = await KeyValueServer.start(token);
  const port = Number(server.address.split(':')[1]);
  await expect(KeyValueServer.start(token, '127.0.0.1', port)).rejects.toThrow(/EADDRINUSE/);
});

test('the environment says which process this is, or what is wrong with it', () => {
  expect(processGroup({})).toBeUndefined();
  expect(processGroup({ TESSERAE_NODES: '1' })).toBeUndefined();
  expect(processGroup(environment)).toEqual({ index: 1, count: 2, host: '127.0.0.1', port: 80, token });
  expect(() => processGroup({ ...environment, TESSERAE_NODE: '2' })).toThrow(
    /TESSERAE_NODE must be .* 0 to 1, got '2'/,
  );
  expect(() => processGroup({ ...environment, TESSERAE_COORDINATOR: 'here' })).toThrow(/TESSERAE_COORDINATOR/);
  expect(() => processGroup({ ...environment, TESSERAE_TOKEN: '' })).toThrow(/tesserae launch --nodes N/);
});
