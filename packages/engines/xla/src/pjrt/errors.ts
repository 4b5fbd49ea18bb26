/** Errors of the XLA engine. */

/** XLA or the plugin refused something; the message is the plugin's own, after what we were doing. */
export class XlaError extends Error {
  override readonly name: string = 'XlaError';

  /** What was being done. */
  readonly operation: string;
  /** The plugin's own message. */
  readonly detail: string;

  constructor(operation: string, detail: string) {
    super(`xla: ${operation} failed: ${detail}`);
    this.operation = operation;
    this.detail = detail;
  }
}

/** The plugin's file cannot be opened here, or is no PJRT plugin. */
export class PluginFileError extends Error {
  override readonly name = 'PluginFileError';
  readonly path: string;

  /** `reason` is the end of a sentence about the file. */
  constructor(path: string, reason: string, options?: ErrorOptions) {
    super(`${path} ${reason}`, options);
    this.path = path;
  }
}

/** What our buffers take on the device. */
export interface MemoryUsage {
  readonly bytes: number;
  readonly buffers: number;
}

/** The device has no room for a program's values or for data. The engine goes on working. */
export class DeviceMemoryError extends XlaError {
  override readonly name: string = 'DeviceMemoryError';

  /** Bytes of the allocation that failed, if the plugin says. */
  readonly bytesAsked: number | undefined;
  /** Bytes of all tensors on the device, without what programs use while they run. */
  readonly bytesInUse: number;
  /** Number of buffers on the device. */
  readonly buffersInUse: number;

  /** `about` is a sentence on the program and its largest value. */
  constructor(operation: string, detail: string, usage: MemoryUsage, about = '') {
    super(operation, detail);
    this.bytesAsked = bytesIn(detail);
    this.bytesInUse = usage.bytes;
    this.buffersInUse = usage.buffers;
    const asked = this.bytesAsked === undefined ? '' : ` ${byteText(this.bytesAsked)} were asked for;`;
    this.message =
      `xla: ${operation} ran out of device memory:${asked} ${byteText(usage.bytes)} are in use by ` +
      `${usage.buffers} buffers.${about === '' ? '' : ` ${about}`} Dispose what is not needed, make batches smaller, ` +
      `or compute in parts. (${firstOf(detail)})`;
  }

  /** The same error with sentences on the program that failed; `failed` bytes were counted, but never came to be. */
  within(operation: string, about: string, failed = 0): DeviceMemoryError {
    const usage = { bytes: Math.max(0, this.bytesInUse - failed), buffers: this.buffersInUse };
    return new DeviceMemoryError(operation, this.detail, usage, about);
  }
}

/** CUDA's autotuner repeats itself for every configuration that it tried. */
function firstOf(detail: string): string {
  const line = detail.split('\n').find((text) => text.includes('Out of memory')) ?? detail;
  return line.length > 400 ? `${line.slice(0, 400)}…` : line;
}

const units = { b: 1, kib: 2 ** 10, mib: 2 ** 20, gib: 2 ** 30, tib: 2 ** 40 } as const;

/** The size that a plugin names: `allocating 40000000000 bytes`, `allocate 37.25GiB`. */
function bytesIn(detail: string): number | undefined {
  const [, amount, unit] = /allocat\w* (?:\w+ )*?([\d.]+) ?(bytes|[KMGT]iB)/i.exec(detail) ?? [];
  if (amount === undefined || unit === undefined) return undefined;
  return Math.round(Number(amount) * units[unit === 'bytes' ? 'b' : (unit.toLowerCase() as keyof typeof units)]);
}

/** `1.5 GB`. */
export function byteText(bytes: number): string {
  const step = bytes < 1e3 ? 0 : Math.min(4, Math.floor(Math.log10(bytes) / 3));
  return step === 0 ? `${bytes} bytes` : `${(bytes / 1000 ** step).toFixed(1)} ${['', 'kB', 'MB', 'GB', 'TB'][step]}`;
}
