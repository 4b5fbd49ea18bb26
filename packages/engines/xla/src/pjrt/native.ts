/**
 * The few things that JavaScript cannot do by itself: call function pointers and see native memory. All of `koffi`, the
 * FFI library, is behind this file.
 */
import koffi from 'koffi';

/** An address in native memory. */
export type Address = bigint;

/** Calls a PJRT function; 0n means success, anything else is a `PJRT_Error*`. */
export interface NativeFunction {
  (args: Address): Address;
  /** The same on a worker thread. */
  async(args: Address): Promise<Address>;
}

/** Handles of open libraries: a handle that is collected as garbage unloads its library under running code. */
const opened: unknown[] = [];

/** Opens a shared library and returns the address that its argument-less function `symbol` returns. */
export function openLibrary(path: string, symbol: string): Address {
  const library = koffi.load(path);
  opened.push(library);
  const get = library.func(symbol, 'void *', []) as () => Address;
  return get();
}

/** A function of a library that is loaded already, such as the C library; types are koffi's names. */
export function cFunction(
  library: string,
  name: string,
  result: string,
  parameters: readonly string[],
): (...args: unknown[]) => unknown {
  const handle = koffi.load(library);
  opened.push(handle);
  return handle.func(name, result, [...parameters]) as (...args: unknown[]) => unknown;
}

/** Opens a library for the symbols that others need from it. */
export function preloadLibrary(path: string): void {
  opened.push(koffi.load(path, { global: true }));
}

const prototype = koffi.proto('void *', ['void *']);

interface RawFunction {
  (args: Address): Address | null;
  async(args: Address, done: (error: unknown, result: Address | null) => void): void;
}

/** Makes a function of the form `PJRT_Error* f(Args*)` callable. */
export function functionAt(address: Address): NativeFunction {
  const raw = koffi.decode(address, prototype) as unknown as RawFunction;
  const call = (args: Address): Address => raw(args) ?? 0n;
  const async = (args: Address): Promise<Address> =>
    new Promise((resolve, reject) =>
      raw.async(args, (error, result) =>
        error ? reject(error instanceof Error ? error : new Error('native call failed')) : resolve(result ?? 0n),
      ),
    );
  return Object.assign(call, { async });
}

/** Where the elements of a typed array lie. They stay there as long as the array is reachable. */
export function addressOf(array: ArrayBufferView): Address {
  // Touching `.buffer` moves small arrays out of the garbage-collected heap, after which they never move again.
  return array.buffer.byteLength === 0 ? 0n : koffi.address(array);
}

/** A window on native memory. */
export function memoryAt(address: Address, length: number): ArrayBuffer {
  return koffi.view(address, length);
}

/** A copy of `length` bytes of native memory. */
export function copyFrom(address: Address, length: number): Uint8Array {
  return length === 0 ? new Uint8Array() : new Uint8Array(koffi.view(address, length).slice(0));
}

/** Text of `length` bytes in native memory. */
export function textAt(address: Address, length: number): string {
  return new TextDecoder().decode(copyFrom(address, length));
}
