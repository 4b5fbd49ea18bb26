/**
 * An opened plugin: its table of functions, its version, and the way all calls go: a struct in, an error or nothing out.
 */
import { functionOffset, newestKnownMinor } from './api-table.ts';
import type { FunctionName, StructName } from './api-table.ts';
import { whyUnloadable } from './check-library.ts';
import { DeviceMemoryError, PluginFileError, XlaError } from './errors.ts';
import type { MemoryUsage } from './errors.ts';
import { functionAt, memoryAt, openLibrary, preloadLibrary, textAt } from './native.ts';
import type { Address, NativeFunction } from './native.ts';
import { Struct } from './struct.ts';

/** `PJRT_Error_Code_RESOURCE_EXHAUSTED`. */
const resourceExhausted = 8;

/** Plugins that were said to be newer than what was tested. */
const warned = new Set<string>();

/** Where the plugin's `PJRT_Api` is. */
function open(path: string): Address {
  const reason = whyUnloadable(path);
  if (reason !== undefined) throw new PluginFileError(path, reason);
  try {
    return openLibrary(path, 'GetPjrtApi');
  } catch (cause) {
    const message = cause instanceof Error ? cause.message : String(cause);
    const why = message.includes('GetPjrtApi')
      ? 'is a library, but no PJRT plugin: it has no function GetPjrtApi.'
      : `cannot be opened: ${message.replace(/^Failed to load shared library: /, '')}.`;
    throw new PluginFileError(path, why, { cause });
  }
}

/** See the file header. */
export class PjrtApi {
  /** `[major, minor]` of the plugin's API. */
  readonly version: readonly [number, number];
  /** Says what is in use when the device has no more room. */
  usage: () => MemoryUsage = () => ({ bytes: 0, buffers: 0 });
  readonly #table: DataView;
  readonly #functions = new Map<FunctionName, NativeFunction>();

  /**
   * Opens the library, once and for the life of the process.
   *
   * @param path the plugin's shared library
   * @param preload libraries that it needs, opened first, in this order
   * @throws PluginFileError if the file is damaged, for another machine, no plugin or one of an unknown version
   */
  constructor(path: string, preload: readonly string[] = []) {
    // Read when the library is opened. At 2 the CPU plugin's loader of saved programs still prints pages of machine
    // features; what matters comes back as errors of the calls.
    process.env['TF_CPP_MIN_LOG_LEVEL'] ??= /cuda|gpu/i.test(path) ? '2' : '3';
    for (const library of preload) preloadLibrary(library);
    const api = open(path);
    const head = new DataView(memoryAt(api, 40));
    this.#table = new DataView(memoryAt(api, Number(head.getBigUint64(0, true))));
    const [major, minor] = [head.getInt32(32, true), head.getInt32(36, true)];
    this.version = [major, minor];
    if (major !== 0 || minor < 40) {
      throw new PluginFileError(path, `has PJRT API ${major}.${minor}; 0.40 or a later 0.x is needed.`);
    }
    if (minor > newestKnownMinor && !warned.has(path)) {
      warned.add(path);
      process.emitWarning(
        `xla: ${path} has PJRT API 0.${minor}, newer than 0.${newestKnownMinor}, the newest that was tested. ` +
          'Should it fail, `npx tesserae engine install` brings one that was.',
      );
    }
  }

  /** An argument struct, laid out for this plugin's version. */
  struct(name: StructName): Struct {
    return new Struct(name, this.version[1]);
  }

  /** A function of the table. */
  function(name: FunctionName): NativeFunction {
    let fn = this.#functions.get(name);
    if (fn === undefined) {
      fn = functionAt(this.address(name));
      this.#functions.set(name, fn);
    }
    return fn;
  }

  /** The address of a function. */
  address(name: FunctionName): Address {
    return this.#table.getBigUint64(functionOffset(name), true);
  }

  /** Calls a function. `operation` says what is being done, for the error. */
  run(name: FunctionName, args: Struct, operation: string): void {
    this.check(this.function(name)(args.address), operation);
  }

  /** Throws an error, if it is one, and frees it. */
  check(error: Address, operation: string): void {
    if (error === 0n) return;
    const code = this.struct('Error_GetCode').set('error', error);
    this.function('Error_GetCode')(code.address);
    const text = this.errorText(error);
    // Other codes: a program whose arguments had no room, and a compiler that tried a program out and had none.
    if (code.getInt('code') === resourceExhausted || /\bOut of memory (?:allocating|while trying)/.test(text))
      throw new DeviceMemoryError(operation, text, this.usage());
    throw new XlaError(operation, text);
  }

  /** The text of an error, which is freed. */
  errorText(error: Address): string {
    const message = this.struct('Error_Message').set('error', error);
    this.function('Error_Message')(message.address);
    const text = textAt(message.get('message'), Number(message.get('messageSize')));
    this.function('Error_Destroy')(this.struct('Error_Destroy').set('error', error).address);
    return text;
  }
}
