/**
 * Builds a kernel: what runs once for each program of the grid. Loads and stores, dots, reductions, scans, loops and
 * branches are methods here; arithmetic is on the values.
 *
 * A value may be used in the block that defines it and in blocks inside; types and shapes are checked as operations are
 * added, so a wrong kernel fails in TypeScript with the operation's name and never reaches XLA.
 */
import { KernelError, isFloat, sameType, typeText, valueType, withShape } from './ir.ts';
import type { Block, DotInput, Element, IrAttributes, IrType, Kernel } from './ir.ts';
import { Value, commonShape, constant } from './value.ts';
import type { Emitter, Operand } from './value.ts';

const emptyBlock = (): Block<Value> => ({ parameters: [], operations: [], yields: [] });

/** See the file header. */
export class KernelBuilder implements Emitter {
  readonly #name: string;
  readonly #body: Block<Value> = emptyBlock();
  readonly #stack: Block<Value>[] = [this.#body];

  /** @param name a C identifier; the text of the kernel and profiles show it. */
  constructor(name: string) {
    if (!/^[a-z_]\w*$/i.test(name)) throw new KernelError('kernel', `'${name}' is no identifier.`);
    this.#name = name;
  }

  /** The next parameter: a pointer to elements. */
  pointer(element: Element): Value {
    if (this.#body.operations.length > 0)
      throw new KernelError('pointer', 'parameters come before the first operation.');
    const value = new Value(this, { element, shape: [], pointer: true }, this.#body);
    this.#body.parameters.push(value);
    return value;
  }

  /** The kernel, finished. */
  build(): Kernel<Value> {
    return { name: this.#name, body: this.#body };
  }

  emit(
    name: string,
    operands: readonly Value[],
    results: readonly IrType[],
    attributes: IrAttributes = {},
    regions: readonly Block<Value>[] = [],
  ): Value[] {
    for (const operand of operands) {
      if (!this.#stack.includes(operand.block))
        throw new KernelError(
          name,
          `uses a ${typeText(operand.type)} of a block that has ended; hand it out of there.`,
        );
    }
    const block = this.#stack.at(-1) as Block<Value>;
    const values = results.map((type) => new Value(this, type, block));
    block.operations.push({ name, operands, results: values, attributes, regions });
    return values;
  }

  // ---- Sources ----

  /** This program's place in the grid. */
  programId(axis: 'x' | 'y' | 'z'): Value {
    return this.#one('tt.get_program_id', [], valueType('i32'), { axis });
  }

  /** One number everywhere. */
  full(value: number, element: Element, shape: readonly number[] = []): Value {
    return constant(this, value, valueType(element, shape));
  }

  /** 0, 1, … below a power of two. */
  range(length: number): Value {
    if (length < 1 || (length & (length - 1)) !== 0)
      throw new KernelError('range', `length ${length} is not a power of two.`);
    return this.#one('tt.make_range', [], valueType('i32', [length]), { start: 0, end: length });
  }

  // ---- Memory ----

  /** Elements at pointers; where the mask does not hold, `other` (0 by default). */
  load(pointer: Value, mask?: Value, other: Operand = 0): Value {
    const type = this.#pointee('load', pointer);
    if (mask === undefined) return this.#one('tt.load', [pointer], type);
    const fill = other instanceof Value ? other : constant(this, other, type);
    if (!sameType(fill.type, type))
      throw new KernelError('load', `'other' is ${typeText(fill.type)}; ${typeText(type)} is needed.`);
    return this.#one('tt.load', [pointer, this.#mask('load', mask, type.shape), fill], type);
  }

  /** Writes elements at pointers, where the mask holds. */
  store(pointer: Value, value: Value, mask?: Value): void {
    const type = this.#pointee('store', pointer);
    if (!sameType(value.type, type))
      throw new KernelError(
        'store',
        `a ${typeText(value.type)} at ${typeText(pointer.type)}; convert or broadcast it.`,
      );
    this.emit('tt.store', [pointer, value, ...(mask ? [this.#mask('store', mask, type.shape)] : [])], []);
  }

  // ---- Whole tensors ----

  /** a [m, k] times b [k, n] plus sum [m, n], accumulated in float32. */
  dot(a: Value, b: Value, sum: Value, input: DotInput = 'ieee'): Value {
    const [m, k] = a.shape;
    const [inner, n] = b.shape;
    const wrong = a.shape.length !== 2 || b.shape.length !== 2 || k !== inner || a.element !== b.element;
    if (wrong || !isFloat(a.element))
      throw new KernelError('dot', `needs float [m, k] and [k, n], got ${typeText(a.type)} and ${typeText(b.type)}.`);
    if (!sameType(sum.type, valueType('f32', [m as number, n as number])))
      throw new KernelError('dot', `the sum must be tensor<${m}x${n}xf32>, got ${typeText(sum.type)}.`);
    if ((m as number) < 16 || (n as number) < 8 || (k as number) < 16)
      throw new KernelError('dot', `needs at least 16x16 times 16x8, got ${typeText(a.type)}, ${typeText(b.type)}.`);
    return this.#one('tt.dot', [a, b, sum], sum.type, { input: a.element === 'f32' ? input : 'ieee' });
  }

  /** Reduces an axis of one or several tensors together; `combine` takes two scalars of each and gives one of each. */
  reduce(
    inputs: readonly Value[],
    axis: number,
    combine: (left: readonly Value[], right: readonly Value[]) => readonly Value[],
  ): Value[] {
    const types = this.#along('reduce', inputs, axis);
    const results = types.map((type) =>
      withShape(
        type,
        type.shape.filter((_, i) => i !== axis),
      ),
    );
    return this.emit('tt.reduce', inputs, results, { axis }, [this.#combiner(types, combine)]);
  }

  /** Running reduction along an axis, inclusive; `reverse` starts at the end. */
  scan(
    inputs: readonly Value[],
    axis: number,
    combine: (earlier: readonly Value[], later: readonly Value[]) => readonly Value[],
    reverse = false,
  ): Value[] {
    const types = this.#along('scan', inputs, axis);
    return this.emit('tt.scan', inputs, types, { axis, reverse }, [this.#combiner(types, combine)]);
  }

  /** Sum along an axis. */
  sum(x: Value, axis: number): Value {
    return this.reduce([x], axis, ([a], [b]) => [(a as Value).add(b as Value)])[0] as Value;
  }

  /** Maximum along an axis. */
  max(x: Value, axis: number): Value {
    return this.reduce([x], axis, ([a], [b]) => [(a as Value).max(b as Value)])[0] as Value;
  }

  /** The smallest along an axis and its index; the lowest index on ties. */
  argmin(x: Value, indices: Value, axis: number): [Value, Value] {
    const [least, at] = this.reduce([x, indices], axis, ([a, i], [b, j]) => {
      const [left, right, from, to] = [a, b, i, j] as [Value, Value, Value, Value];
      const first = left.lt(right).or(left.eq(right).and(from.lt(to)));
      return [first.select(left, right), first.select(from, to)];
    });
    return [least as Value, at as Value];
  }

  // ---- Control ----

  /** Repeats with values that are carried from turn to turn; gives their last state. */
  for(
    from: Operand,
    to: Operand,
    step: number,
    carried: readonly Value[],
    body: (index: Value, carried: readonly Value[]) => readonly Value[],
    attributes: IrAttributes = {},
  ): Value[] {
    const bound = (x: Operand): Value => (x instanceof Value ? x : this.full(x, 'i32'));
    const bounds = [bound(from), bound(to), this.full(step, 'i32')];
    for (const one of bounds) {
      if (!sameType(one.type, valueType('i32')))
        throw new KernelError('for', `bounds are i32, got ${typeText(one.type)}.`);
    }
    const types = carried.map(({ type }) => type);
    const region = this.#region([valueType('i32'), ...types], ([index, ...rest]) => body(index as Value, rest));
    this.#checkYields('for', types, region);
    return this.emit('scf.for', [...bounds, ...carried], types, attributes, [region]);
  }

  /** One of two computations; both give values of the same types. */
  if(condition: Value, onTrue: () => readonly Value[], onFalse: () => readonly Value[]): Value[] {
    if (!sameType(condition.type, valueType('i1')))
      throw new KernelError('if', `the condition is a scalar i1, got ${typeText(condition.type)}.`);
    const regions = [this.#region([], onTrue), this.#region([], onFalse)] as const;
    const types = regions[0].yields.map(({ type }) => type);
    this.#checkYields('if', types, regions[1]);
    return this.emit('scf.if', [condition], types, {}, regions);
  }

  #region(types: readonly IrType[], body: (parameters: readonly Value[]) => readonly Value[]): Block<Value> {
    const block = emptyBlock();
    for (const type of types) block.parameters.push(new Value(this, type, block));
    this.#stack.push(block);
    block.yields.push(...body(block.parameters));
    this.#stack.pop();
    return block;
  }

  #combiner(
    types: readonly IrType[],
    combine: (left: readonly Value[], right: readonly Value[]) => readonly Value[],
  ): Block<Value> {
    const scalars = types.map((type) => withShape(type, []));
    const block = this.#region([...scalars, ...scalars], (all) =>
      combine(all.slice(0, types.length), all.slice(types.length)),
    );
    this.#checkYields('combine', scalars, block);
    return block;
  }

  #checkYields(name: string, types: readonly IrType[], { yields }: Block<Value>): void {
    const texts = (all: readonly IrType[]): string => all.map(typeText).join(', ');
    const got = yields.map(({ type }) => type);
    if (texts(types) !== texts(got))
      throw new KernelError(name, `the body must give (${texts(types)}), but it gives (${texts(got)}).`);
  }

  #along(name: string, inputs: readonly Value[], axis: number): IrType[] {
    const types = inputs.map(({ type }) => type);
    const { shape } = types[0] as IrType;
    if (axis < 0 || axis >= shape.length || types.some((type) => type.shape.join() !== shape.join()))
      throw new KernelError(
        name,
        `axis ${axis} of ${types.map(typeText).join(', ')}; equal shapes with that axis are needed.`,
      );
    return types;
  }

  #pointee(name: string, pointer: Value): IrType {
    if (!pointer.type.pointer) throw new KernelError(name, `needs pointers, got ${typeText(pointer.type)}.`);
    return valueType(pointer.element, pointer.shape);
  }

  #mask(name: string, mask: Value, shape: readonly number[]): Value {
    if (mask.element !== 'i1') throw new KernelError(name, `the mask is ${typeText(mask.type)}; i1 is needed.`);
    commonShape(name, mask.shape, shape);
    return mask.broadcastTo(shape);
  }

  #one(name: string, operands: readonly Value[], type: IrType, attributes?: IrAttributes): Value {
    return this.emit(name, operands, [type], attributes)[0] as Value;
  }
}
