/**
 * One run of a function with tensors that have no values: what it computed, and what it took from outside.
 *
 * While the trace runs, each variable stands for an input of the program, so that whichever value it holds at a later
 * call is used, and `a.assign(b)` follows `b`. Other tensors from outside are constants of the program.
 */
import { checksNumerics, tf } from '@tesserae/tensor';
import type { XlaBackend } from './backend.ts';
import type { TensorData } from './data.ts';
import { Node } from './graph/node.ts';
import { NumericsChecks } from './numerics.ts';
import { bufferType } from './pjrt/element-type.ts';
import type { Placement } from './sharding/placement.ts';

/** See the file header. */
export class Trace {
  /** Variables by the inputs that stand for them. */
  readonly variables: Map<Node, tf.Variable> = new Map<Node, tf.Variable>();
  /** The checks of `checkNumerics`, if the trace runs in one. */
  readonly numerics: NumericsChecks | undefined = checksNumerics() ? new NumericsChecks() : undefined;
  /** The data that a variable has while the trace runs, unless it is assigned. */
  readonly #placeholders = new Map<tf.Variable, tf.DataId>();
  /** Constants by data; the trace keeps their nodes alive. */
  readonly constants: Map<TensorData, Node> = new Map<TensorData, Node>();

  /** The node of a kernel's input inside the trace. */
  nodeOf(data: TensorData): Node | undefined {
    if (data.trace === this || data.node === undefined) return data.node;
    let captured = this.constants.get(data);
    if (captured === undefined) {
      captured = data.node;
      captured.owners++;
      this.constants.set(data, captured);
    }
    return captured;
  }

  /** Lets a variable stand for an input. The caller keeps its earlier data and gives it back. */
  enter(variable: tf.Variable, backend: XlaBackend, placement?: Placement): void {
    const node = new Node(bufferType(variable.dtype), variable.shape);
    node.placement = placement;
    const { dataId } = backend.output(node, variable.dtype);
    const value = tf.engine().makeTensorFromDataId(dataId, variable.shape, variable.dtype, backend);
    variable.assign(value);
    value.dispose();
    this.variables.set(node, variable);
    this.#placeholders.set(variable, dataId);
  }

  /** Whether a variable was given another value, or made, in the trace. */
  assigned(variable: tf.Variable, backend: XlaBackend): boolean {
    const placeholder = this.#placeholders.get(variable);
    return placeholder === undefined ? backend.dataOf(variable.dataId).trace === this : placeholder !== variable.dataId;
  }
}
