/** How a TensorFlow.js kernel becomes StableHLO: a function from input nodes and attributes to output nodes. */
import { currentPrecision, tf } from '@tesserae/tensor';
import type { XlaBackend } from '../backend.ts';
import { convert } from '../graph/hlo.ts';
import type { DotPrecision } from '../graph/hlo.ts';
import type { Node } from '../graph/node.ts';

/** A call of a kernel. */
export class KernelCall {
  readonly backend: XlaBackend;
  readonly inputs: tf.NamedTensorInfoMap;
  /** Whether it is the part of one device of a mesh (split-kernels.ts). */
  readonly perDevice: boolean = false;
  readonly #attrs: tf.NamedAttrMap;
  readonly #narrow: ReadonlySet<string> | undefined;

  /** `narrow` names the inputs that are taken as they are stored, also in bfloat16 (half-activations.ts). */
  constructor(
    backend: XlaBackend,
    inputs: tf.NamedTensorInfoMap,
    attrs: tf.NamedAttrMap | undefined,
    narrow?: ReadonlySet<string>,
  ) {
    this.backend = backend;
    this.inputs = inputs;
    this.#attrs = attrs ?? {};
    this.#narrow = narrow;
  }

  /** The attributes; each lowering knows their type. */
  attrs<T>(): T {
    return this.#attrs as T;
  }

  /** The node of an input, in the tensor's shape. */
  node(name: string): Node {
    return this.#of(name, this.inputs[name] as tf.TensorInfo);
  }

  #of(name: string, info: tf.TensorInfo): Node {
    return this.#narrow?.has(name) === true ? this.backend.storedNodeOf(info) : this.backend.nodeOf(info);
  }

  /** Whether an optional input was given. */
  has(name: string): boolean {
    return this.inputs[name] != null;
  }

  /** All inputs in order, for kernels that take a list. */
  list(): Node[] {
    return Object.entries(this.inputs).map(([name, info]) => this.#of(name, info as tf.TensorInfo));
  }
}

/** What a lowering gives: one output or several, or tensors that it made itself. */
export type Lowered = Node | readonly Node[] | { readonly tensors: tf.TensorInfo | tf.TensorInfo[] };

/** See the file header. */
export type Lowering = (call: KernelCall) => Lowered;

/** A family of kernels by name. */
export type Lowerings = Readonly<Record<string, Lowering>>;

/** The precision of products under the current scope, and the operands in the type to multiply in. */
export function productOperands(a: Node, b: Node): { a: Node; b: Node; precision: DotPrecision } {
  const precision = currentPrecision();
  if (precision === 'bfloat16' && (a.type === 'f32' || a.type === 'bf16')) {
    return { a: convert(a, 'bf16'), b: convert(b, 'bf16'), precision: 'DEFAULT' };
  }
  return { a, b, precision: precision === 'float32' ? 'HIGHEST' : 'DEFAULT' };
}

/** Axes as non-negative numbers, in order. */
export function normalizeAxes(axes: number | readonly number[], rank: number): number[] {
  return tf.util.parseAxisParam(axes as number | number[], Array<number>(rank).fill(1)).sort((a, b) => a - b);
}

/** The whole numbers from `from` up to, not including, `to`: mostly positions of dimensions. Empty if `to` is not above. */
export function range(from: number, to: number): number[] {
  return Array.from({ length: Math.max(0, to - from) }, (_, i) => from + i);
}
