/**
 * Types, values and operations of Triton IR, as data: a kernel is a tree of blocks that the printer writes as MLIR text and
 * that the tests' interpreter runs.
 *
 * Source: the dialects `tt`, `arith`, `math` and `scf` as of Triton 3.6 (triton-lang/triton, include/triton/Dialect). Only
 * what the kernels here need.
 */

/** Types of one element. */
export type Element = 'f32' | 'f16' | 'bf16' | 'i32' | 'i1';

/** The type of a value: a scalar (shape []), a tensor, or a pointer or tensor of pointers to elements. */
export interface IrType {
  readonly element: Element;
  readonly shape: readonly number[];
  readonly pointer: boolean;
}

/** How `tt.dot` treats float32 operands: exact products, 10 bits of mantissa, or sums of several such products. */
export type DotInput = 'ieee' | 'tf32' | 'tf32x3' | 'bf16x3' | 'bf16x6';

/** Attributes by name, as the printer and the interpreter read them. */
export type IrAttributes = Readonly<Record<string, number | string | boolean | readonly number[]>>;

/** An operation. */
export interface Operation<V> {
  /** Full name, for example `arith.addf`. */
  readonly name: string;
  readonly operands: readonly V[];
  readonly results: readonly V[];
  readonly attributes: IrAttributes;
  readonly regions: readonly Block<V>[];
}

/** A region of one block: parameters, operations and what it hands back. */
export interface Block<V> {
  readonly parameters: V[];
  readonly operations: Operation<V>[];
  readonly yields: V[];
}

/** A whole kernel. */
export interface Kernel<V> {
  readonly name: string;
  readonly body: Block<V>;
}

export const isFloat = (element: Element): boolean => element === 'f32' || element === 'f16' || element === 'bf16';

/** A scalar or tensor type. */
export const valueType = (element: Element, shape: readonly number[] = []): IrType => ({
  element,
  shape,
  pointer: false,
});

/** The same shape and kind with another element. */
export const withElement = (type: IrType, element: Element): IrType => ({ ...type, element });

/** The same element and kind with another shape. */
export const withShape = (type: IrType, shape: readonly number[]): IrType => ({ ...type, shape });

/** Whether two types are the same. */
export function sameType(a: IrType, b: IrType): boolean {
  return (
    a.element === b.element &&
    a.pointer === b.pointer &&
    a.shape.length === b.shape.length &&
    a.shape.every((size, i) => size === b.shape[i])
  );
}

/** A type as MLIR text: `f32`, `tensor<16x64xf32>`, `!tt.ptr<f32>`, `tensor<16x!tt.ptr<f32>>`. */
export function typeText({ element, shape, pointer }: IrType): string {
  const scalar = pointer ? `!tt.ptr<${element}>` : element;
  return shape.length === 0 ? scalar : `tensor<${shape.join('x')}x${scalar}>`;
}

/** A mistake in a kernel: what was asked, of what, and what it needs. */
export class KernelError extends Error {
  override readonly name = 'KernelError';

  constructor(operation: string, problem: string) {
    super(`triton ${operation}: ${problem}`);
  }
}
