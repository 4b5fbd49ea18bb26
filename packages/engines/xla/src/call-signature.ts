/**
 * What one trace of a compiled function holds for: shapes and dtypes of tensors, values of everything else, the ambient
 * precision, whether numbers are checked, the mesh and how tensors lie on it.
 */
import { checksNumerics, currentPrecision, tf } from '@tesserae/tensor';
import type { XlaBackend } from './backend.ts';

/** Signatures of the calls of one function. Functions and class instances count by identity. */
export class CallSignatures {
  readonly #identities = new WeakMap<object, number>();
  #nextIdentity = 0;

  /** The signature of a call: calls with equal texts may run the same program. */
  of(args: readonly unknown[], backend: XlaBackend): string {
    const parts: string[] = [currentPrecision(), checksNumerics() ? 'checked' : ''];
    const { deviceMesh } = backend;
    if (deviceMesh !== undefined) parts.push(deviceMesh.moduleHead);
    const placed = (leaf: tf.Tensor): string =>
      deviceMesh === undefined ? '' : (backend.placementOf(backend.leafOf(leaf))?.text ?? '');
    const visit = (value: unknown): void => {
      if (value instanceof tf.Variable) parts.push(`v${value.id}`);
      else if (value instanceof tf.Tensor)
        parts.push(`${value.dtype}[${(value as tf.Tensor).shape.join(',')}]${placed(value as tf.Tensor)}`);
      else if (Array.isArray(value)) {
        parts.push('[');
        value.forEach(visit);
        parts.push(']');
      } else if (typeof value === 'object' && value !== null) {
        const prototype: unknown = Object.getPrototypeOf(value);
        if (prototype === Object.prototype || prototype === null) {
          parts.push('{');
          for (const [name, child] of Object.entries(value)) {
            parts.push(`${JSON.stringify(name)}:`);
            visit(child);
          }
          parts.push('}');
        } else parts.push(`o${this.#identity(value)}`);
      } else if (typeof value === 'function') parts.push(`f${this.#identity(value)}`);
      else if (typeof value === 'string') parts.push(JSON.stringify(value));
      else parts.push(Object.is(value, -0) ? '-0' : `${typeof value}:${String(value)}`);
    };
    args.forEach(visit);
    return parts.join(' ');
  }

  #identity(value: object): number {
    let identity = this.#identities.get(value);
    if (identity === undefined) {
      identity = this.#nextIdentity++;
      this.#identities.set(value, identity);
    }
    return identity;
  }
}
