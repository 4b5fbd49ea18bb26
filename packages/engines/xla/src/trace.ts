/**
 * One run of a function with tensors that have no values: what it computed, and what it took from outside.
 *
 * Variables that the function reads become inputs, whichever value they hold at a later call. Other tensors from
 * outside are constants of the program.
 */
import { tf } from '@tesserae/tensor';
import type { TensorData } from './data.ts';
import { Node } from './graph/node.ts';
import { bufferType } from './pjrt/element-type.ts';

/** See the file header. */
export class Trace {
  /** Inputs by variable. */
  readonly variables: Map<tf.Variable, Node> = new Map<tf.Variable, Node>();
  /** Constants by data; the trace keeps their nodes alive. */
  readonly constants: Map<TensorData, Node> = new Map<TensorData, Node>();

  /** The node of a kernel's input inside the trace. */
  nodeOf(info: tf.TensorInfo, data: TensorData): Node | undefined {
    if (data.trace === this || data.node === undefined) return data.node;
    if (info instanceof tf.Variable) {
      let input = this.variables.get(info);
      if (input === undefined) {
        input = new Node(bufferType(info.dtype), info.shape);
        this.variables.set(info, input);
      }
      return input;
    }
    let captured = this.constants.get(data);
    if (captured === undefined) {
      captured = data.node;
      captured.owners++;
      this.constants.set(data, captured);
    }
    return captured;
  }
}
