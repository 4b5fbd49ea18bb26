/**
 * One value of a recorded program: the result of a StableHLO operation, or a leaf with values on the host or device.
 *
 * Nodes are immutable as values; flushing turns an operation into a leaf by giving it a buffer. A node's shape is the
 * shape it was computed with: tensors that share it by reshaping ask for their own shape when they use it.
 */
import type { DeviceBuffer } from '../pjrt/client.ts';
import type { Placement } from '../sharding/placement.ts';
import type { ProgramNote } from '../program-note.ts';
import type { ElementType, HostArray } from '../pjrt/element-type.ts';

/** What computes a node. */
export interface Operation {
  /** Full name, for example `stablehlo.add`; `result` picks one result of `inputs[0]`. */
  readonly name: string;
  readonly inputs: readonly Node[];
  /** Attributes as MLIR text, without braces. */
  readonly attributes: string;
  /** Regions as MLIR text, with parentheses; names inside start with `%r`. */
  readonly regions: string;
  /** Which result of `inputs[0]`, for `result`. */
  readonly index: number;
  /** Types of all results, for operations with several. */
  readonly results: readonly TensorType[] | undefined;
}

/** Element type and shape. */
export interface TensorType {
  readonly type: ElementType;
  readonly shape: readonly number[];
}

/** See the file header. */
export class Node implements TensorType {
  readonly type: ElementType;
  readonly shape: readonly number[];
  /** `tensor<2x3xf32>`. */
  readonly text: string;
  operation: Operation | undefined;
  /** Values on the device, owned by the node. */
  buffer: DeviceBuffer | undefined;
  /** Values on the host, uploaded when a program needs them. */
  host: HostArray | undefined;
  /** How it shall lie on a mesh, where `shard` said so. */
  placement: Placement | undefined;
  /** What asked for the node, for errors. */
  origin: { toString(): string } | undefined;
  /** The program that computed it, for errors. */
  program: ProgramNote | undefined;
  /** Why it cannot be computed: thrown when someone wants it. */
  failure: Error | undefined;
  /** Tensor data that refer to this node; the buffer is freed with the last one. */
  owners = 0;

  constructor(type: ElementType, shape: readonly number[], operation?: Operation) {
    this.type = type;
    this.shape = shape;
    this.text = typeText(type, shape);
    this.operation = operation;
  }

  /** Number of elements. */
  get size(): number {
    return sizeOf(this.shape);
  }
}

/** `tensor<2x3xf32>`. */
export function typeText(type: ElementType, shape: readonly number[]): string {
  return shape.length === 0 ? `tensor<${type}>` : `tensor<${shape.join('x')}x${type}>`;
}

/** Number of elements of a shape. */
export function sizeOf(shape: readonly number[]): number {
  let size = 1;
  for (const length of shape) size *= length;
  return size;
}

/** Whether two shapes are the same. */
export function sameShape(a: readonly number[], b: readonly number[]): boolean {
  if (a.length !== b.length) return false;
  for (let i = 0; i < a.length; i++) if (a[i] !== b[i]) return false;
  return true;
}
