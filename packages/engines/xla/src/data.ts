/** What stands behind a tensor's `dataId`: a node of the graph, or strings on the host, shared by reference count. */
import type { tf } from '@tesserae/tensor';
import type { Node } from './graph/node.ts';

/** See the file header. */
export interface TensorData {
  readonly dtype: tf.DataType;
  readonly shape: readonly number[];
  /** Undefined for strings. */
  node: Node | undefined;
  readonly strings: Uint8Array[] | undefined;
  refCount: number;
  /** The trace that made it, while that trace runs. */
  trace: object | undefined;
}
