/** A C struct of the PJRT API in memory that does not move, written and read by field name. */
import { layoutOf } from './api-table.ts';
import type { Layout, StructName } from './api-table.ts';
import { addressOf } from './native.ts';
import type { Address } from './native.ts';

/** See the file header. */
export class Struct {
  readonly address: Address;
  readonly #view: DataView;
  readonly #layout: Layout;
  /** What the struct points to: the garbage collector does not see that C holds an address. */
  readonly #targets = new Map<string, ArrayBufferView | Struct>();

  constructor(name: StructName, minor: number) {
    this.#layout = layoutOf(name, minor);
    const bytes = new Uint8Array(Math.max(this.#layout.size, 64));
    this.#view = new DataView(bytes.buffer);
    this.#view.setBigUint64(0, BigInt(this.#layout.size), true);
    this.address = addressOf(bytes);
  }

  #offset(field: string): number {
    const offset = this.#layout.offsets[field];
    if (offset === undefined) throw new Error(`internal: PJRT struct has no field '${field}' in this API version.`);
    return offset;
  }

  /** Writes a pointer, size or 64-bit integer. */
  set(field: string, value: bigint | number): this {
    this.#view.setBigUint64(this.#offset(field), BigInt(value), true);
    return this;
  }

  /** Writes where an array or another struct lies, which is kept as long as this struct, or until `release`. */
  point(field: string, target: ArrayBufferView | Struct): this {
    this.#targets.set(field, target);
    return this.set(field, target instanceof Struct ? target.address : addressOf(target));
  }

  /** Lets go of what the struct points to. */
  release(): void {
    this.#targets.clear();
  }

  /** Writes an int or enum. */
  setInt(field: string, value: number): this {
    this.#view.setInt32(this.#offset(field), value, true);
    return this;
  }

  /** Reads a pointer, size or 64-bit integer. */
  get(field: string): bigint {
    return this.#view.getBigUint64(this.#offset(field), true);
  }

  /** Reads an int or enum. */
  getInt(field: string): number {
    return this.#view.getInt32(this.#offset(field), true);
  }

  /** Reads a bool. */
  getBool(field: string): boolean {
    return this.#view.getUint8(this.#offset(field)) !== 0;
  }
}
