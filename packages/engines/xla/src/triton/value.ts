/**
 * Values of a kernel, with arithmetic as methods. Operands follow numpy: a scalar or a number stands for a tensor of the
 * other's shape, and lengths of 1 are repeated; everything else that does not agree is an error when the kernel is built.
 */
import { KernelError, isFloat, sameType, typeText, valueType, withElement, withShape } from './ir.ts';
import type { Block, Element, IrAttributes, IrType } from './ir.ts';

/** What values need of the builder that made them. */
export interface Emitter {
  emit(
    name: string,
    operands: readonly Value[],
    results: readonly IrType[],
    attributes?: IrAttributes,
    regions?: readonly Block<Value>[],
  ): Value[];
}

/** A value, or a number that becomes a constant of the other operand's type. */
export type Operand = Value | number;

type Comparison = 'lt' | 'le' | 'gt' | 'ge' | 'eq' | 'ne';

/** See the file header. */
export class Value {
  readonly emitter: Emitter;
  readonly type: IrType;
  /** Where it is defined; operations elsewhere may use it only inside. */
  readonly block: Block<Value>;

  constructor(emitter: Emitter, type: IrType, block: Block<Value>) {
    this.emitter = emitter;
    this.type = type;
    this.block = block;
  }

  get element(): Element {
    return this.type.element;
  }

  get shape(): readonly number[] {
    return this.type.shape;
  }

  // ---- Arithmetic ----

  add(other: Operand): Value {
    return this.#arithmetic('add', other);
  }

  sub(other: Operand): Value {
    return this.#arithmetic('sub', other);
  }

  mul(other: Operand): Value {
    return this.#arithmetic('mul', other);
  }

  /** Quotient; of integers rounded towards zero. */
  div(other: Operand): Value {
    return this.#arithmetic('div', other, 'divsi');
  }

  /** Remainder of integers, with the sign of this. */
  rem(other: Operand): Value {
    if (isFloat(this.element)) throw new KernelError('rem', `needs integers, got ${typeText(this.type)}.`);
    return this.#arithmetic('rem', other, 'remsi');
  }

  /** The larger; of a number and NaN, the number. */
  max(other: Operand): Value {
    return this.#arithmetic('max', other, 'maxsi', 'maxnumf');
  }

  /** The smaller; of a number and NaN, the number. */
  min(other: Operand): Value {
    return this.#arithmetic('min', other, 'minsi', 'minnumf');
  }

  and(other: Value): Value {
    return this.#logical('andi', other);
  }

  or(other: Value): Value {
    return this.#logical('ori', other);
  }

  lt(other: Operand): Value {
    return this.#compare('lt', other);
  }

  le(other: Operand): Value {
    return this.#compare('le', other);
  }

  gt(other: Operand): Value {
    return this.#compare('gt', other);
  }

  ge(other: Operand): Value {
    return this.#compare('ge', other);
  }

  eq(other: Operand): Value {
    return this.#compare('eq', other);
  }

  ne(other: Operand): Value {
    return this.#compare('ne', other);
  }

  /** This is a condition: `onTrue` where it holds, else `onFalse`. One of the two may be a number. */
  select(onTrue: Operand, onFalse: Operand): Value {
    if (this.element !== 'i1') throw new KernelError('select', `needs an i1 condition, got ${typeText(this.type)}.`);
    const model = onTrue instanceof Value ? onTrue : onFalse;
    if (!(model instanceof Value)) throw new KernelError('select', 'needs one value to know the type from.');
    const [a, b] = [lift(model, onTrue), lift(model, onFalse)];
    if (a.element !== b.element) mismatch('select', a, b);
    const shape = [this.shape, a.shape, b.shape].reduce((left, right) => commonShape('select', left, right));
    const operands = [this.broadcastTo(shape), a.broadcastTo(shape), b.broadcastTo(shape)];
    return this.#one('arith.select', operands, withShape(a.type, shape));
  }

  exp2(): Value {
    return this.#math('exp2');
  }

  log2(): Value {
    return this.#math('log2');
  }

  abs(): Value {
    return this.#math('absf');
  }

  sqrt(): Value {
    return this.#math('sqrt');
  }

  /** e^x. */
  exp(): Value {
    return this.mul(Math.LOG2E).exp2();
  }

  /** Natural logarithm. */
  log(): Value {
    return this.log2().mul(Math.LN2);
  }

  neg(): Value {
    return this.mul(-1);
  }

  /** The values as another type, rounded to nearest. */
  to(element: Element): Value {
    if (element === this.element) return this;
    const type = withElement(this.type, element);
    const width: Record<Element, number> = { f32: 32, f16: 16, bf16: 16, i32: 32, i1: 1 };
    if (isFloat(element) && isFloat(this.element)) {
      if (width[element] === width[this.element]) return this.to('f32').to(element);
      return this.#one(width[element] < width[this.element] ? 'arith.truncf' : 'arith.extf', [this], type);
    }
    if (isFloat(element)) return this.#one(this.element === 'i1' ? 'arith.uitofp' : 'arith.sitofp', [this], type);
    if (isFloat(this.element) && element === 'i32') return this.#one('arith.fptosi', [this], type);
    if (this.element === 'i1' && element === 'i32') return this.#one('arith.extui', [this], type);
    throw new KernelError('to', `cannot convert ${typeText(this.type)} to ${element}.`);
  }

  // ---- Shape ----

  /** With a new dimension of length 1. */
  expand(axis: number): Value {
    if (this.shape.length === 0 || axis < 0 || axis > this.shape.length)
      throw new KernelError(
        'expand',
        `axis ${axis} of ${typeText(this.type)}; it needs a tensor and an axis in range.`,
      );
    const shape = [...this.shape.slice(0, axis), 1, ...this.shape.slice(axis)];
    return this.#one('tt.expand_dims', [this], withShape(this.type, shape), { axis });
  }

  /** A scalar everywhere, or lengths of 1 repeated. */
  broadcastTo(shape: readonly number[]): Value {
    if (sameType(this.type, withShape(this.type, shape))) return this;
    if (this.shape.length === 0) return this.#one('tt.splat', [this], withShape(this.type, shape));
    if (this.shape.length !== shape.length || this.shape.some((size, i) => size !== 1 && size !== shape[i]))
      throw new KernelError('broadcastTo', `${typeText(this.type)} cannot become [${shape.join(', ')}].`);
    return this.#one('tt.broadcast', [this], withShape(this.type, shape));
  }

  /** A matrix with its dimensions exchanged. */
  transpose(): Value {
    if (this.shape.length !== 2) throw new KernelError('transpose', `needs a matrix, got ${typeText(this.type)}.`);
    return this.#one('tt.trans', [this], withShape(this.type, [...this.shape].reverse()), { order: [1, 0] });
  }

  // ---- Pointers ----

  /** A pointer moved by a number of elements. */
  offset(by: Operand): Value {
    if (!this.type.pointer) throw new KernelError('offset', `needs a pointer, got ${typeText(this.type)}.`);
    const integer = by instanceof Value ? by : constant(this.emitter, by, valueType('i32'));
    if (integer.type.pointer || integer.element !== 'i32')
      throw new KernelError('offset', `needs i32 elements, got ${typeText(integer.type)}.`);
    const shape = commonShape('offset', this.shape, integer.shape);
    return this.#one('tt.addptr', [this.broadcastTo(shape), integer.broadcastTo(shape)], withShape(this.type, shape));
  }

  #arithmetic(name: string, other: Operand, integer = `${name}i`, float = `${name}f`): Value {
    const [a, b] = pair(name, this, other);
    if (a.element === 'i1') throw new KernelError(name, `needs numbers, got ${typeText(a.type)}.`);
    return this.#one(`arith.${isFloat(a.element) ? float : integer}`, [a, b], a.type);
  }

  #logical(name: string, other: Value): Value {
    const [a, b] = pair(name, this, other);
    if (isFloat(a.element)) throw new KernelError(name, `needs integers, got ${typeText(a.type)}.`);
    return this.#one(`arith.${name}`, [a, b], a.type);
  }

  #compare(predicate: Comparison, other: Operand): Value {
    const [a, b] = pair(predicate, this, other);
    const float = isFloat(a.element);
    // Ordered comparisons: false with NaN; `ne` is true with it.
    const ordered = predicate === 'ne' ? 'une' : `o${predicate}`;
    const signed = predicate === 'eq' || predicate === 'ne' ? predicate : `s${predicate}`;
    return this.#one(float ? 'arith.cmpf' : 'arith.cmpi', [a, b], withElement(a.type, 'i1'), {
      predicate: float ? ordered : signed,
    });
  }

  #math(name: string): Value {
    if (!isFloat(this.element)) throw new KernelError(name, `needs floats, got ${typeText(this.type)}.`);
    return this.#one(`math.${name}`, [this], this.type);
  }

  #one(name: string, operands: readonly Value[], type: IrType, attributes?: IrAttributes): Value {
    return this.emitter.emit(name, operands, [type], attributes)[0] as Value;
  }
}

/** A constant: one number everywhere. */
export function constant(emitter: Emitter, value: number, type: IrType): Value {
  if (type.pointer) throw new KernelError('constant', `there is none of ${typeText(type)}.`);
  if (type.element === 'i32' && !Number.isInteger(value))
    throw new KernelError('constant', `${value} is no integer, and ${typeText(type)} is wanted.`);
  return emitter.emit('arith.constant', [], [type], { value })[0] as Value;
}

/** The shape that both become. */
export function commonShape(name: string, a: readonly number[], b: readonly number[]): readonly number[] {
  if (a.length === 0) return b;
  if (b.length === 0) return a;
  if (a.length === b.length) {
    const shape = a.map((size, i) => (size === 1 ? (b[i] as number) : size));
    if (shape.every((size, i) => b[i] === 1 || b[i] === size)) return shape;
  }
  throw new KernelError(name, `shapes [${a.join(', ')}] and [${b.join(', ')}] do not agree; expand one first.`);
}

function lift(model: Value, operand: Operand): Value {
  return operand instanceof Value ? operand : constant(model.emitter, operand, model.type);
}

function pair(name: string, left: Value, right: Operand): [Value, Value] {
  const other = lift(left, right);
  if (left.type.pointer || other.type.pointer || left.element !== other.element) mismatch(name, left, other);
  const shape = commonShape(name, left.shape, other.shape);
  return [left.broadcastTo(shape), other.broadcastTo(shape)];
}

function mismatch(name: string, a: Value, b: Value): never {
  throw new KernelError(
    name,
    `operands are ${typeText(a.type)} and ${typeText(b.type)}; they need one element type, convert with to().`,
  );
}
