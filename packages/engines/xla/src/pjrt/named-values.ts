/** Named options for the plugin (`PJRT_NamedValue[]`), as `PJRT_Client_Create` takes them. */
import { addressOf } from './native.ts';
import type { Address } from './native.ts';

/** Strings, integers (bigint), floats (number) and booleans by name. */
export type OptionValues = Readonly<Record<string, string | bigint | number | boolean>>;

const encoder = new TextEncoder();
const entryBytes = 56;

/** See the file header. The native memory is valid until {@link NamedValues.release}. */
export class NamedValues {
  readonly address: Address;
  readonly count: number;
  /** What the entries point to. */
  readonly #keep: Uint8Array[] = [];

  constructor(options: OptionValues) {
    const entries = Object.entries(options);
    this.count = entries.length;
    const values = new Uint8Array(Math.max(64, entryBytes * entries.length));
    const view = new DataView(values.buffer);
    this.#keep.push(values);
    entries.forEach(([name, value], i) => {
      const at = entryBytes * i;
      const key = this.#text(name);
      view.setBigUint64(at, BigInt(entryBytes), true);
      view.setBigUint64(at + 16, addressOf(key), true);
      view.setBigUint64(at + 24, BigInt(key.byteLength), true);
      view.setBigUint64(at + 48, 1n, true);
      if (typeof value === 'string') {
        const bytes = this.#text(value);
        view.setInt32(at + 32, 0, true);
        view.setBigUint64(at + 40, addressOf(bytes), true);
        view.setBigUint64(at + 48, BigInt(bytes.byteLength), true);
      } else if (typeof value === 'bigint') {
        view.setInt32(at + 32, 1, true);
        view.setBigInt64(at + 40, value, true);
      } else if (typeof value === 'number') {
        view.setInt32(at + 32, 3, true);
        view.setFloat32(at + 40, value, true);
      } else {
        view.setInt32(at + 32, 4, true);
        view.setUint8(at + 40, value ? 1 : 0);
      }
    });
    this.address = addressOf(values);
  }

  /** Lets go of the memory, after the call. */
  release(): void {
    this.#keep.length = 0;
  }

  #text(text: string): Uint8Array {
    const bytes = encoder.encode(text);
    this.#keep.push(bytes);
    return bytes;
  }
}
