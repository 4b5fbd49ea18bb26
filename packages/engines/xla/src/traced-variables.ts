/** What becomes of variables that a trace assigned or made. */
import { tf } from '@tesserae/tensor';
import type { XlaBackend } from './backend.ts';

/** Whether the backend still has the data. */
export function tracksData(backend: XlaBackend, dataId: tf.DataId): boolean {
  return backend.refCount(dataId) > 0;
}

/** Gives a variable its earlier data back. */
export function restore(backend: XlaBackend, variable: tf.Variable, old: tf.DataId): void {
  const data = backend.dataOf(old);
  const value = tf.engine().makeTensorFromDataId(old, variable.shape, variable.dtype, backend);
  // The tensor made here must not free data that it did not allocate: it takes a reference of its own.
  data.refCount++;
  variable.assign(value);
  value.dispose();
}

/** Removes variables that a failed trace left behind. */
export function disposeCreated(before: ReadonlyMap<tf.Variable, tf.DataId>): void {
  for (const variable of Object.values(tf.engine().registeredVariables)) if (!before.has(variable)) variable.dispose();
}
