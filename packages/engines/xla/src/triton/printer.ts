/**
 * Writes a kernel as MLIR text in the form that Triton's own parser prints and reads, which has been the same for these
 * operations since Triton 3.0. Pointers say that they are aligned to 16 bytes: XLA aligns every buffer to at least that.
 */
import { typeText } from './ir.ts';
import type { Block, Element, IrType, Kernel, Operation } from './ir.ts';
import type { Value } from './value.ts';

/** The text of a module with one function. */
export function printKernel({ name, body }: Kernel<Value>): string {
  const printer = new Printer();
  const parameters = body.parameters
    .map((value) => `${printer.define(value)}: ${typeText(value.type)} {tt.divisibility = 16 : i32}`)
    .join(', ');
  return [
    'module {',
    `  tt.func public @${name}(${parameters}) attributes {noinline = false} {`,
    ...printer.block(body, '    '),
    '    tt.return',
    '  }',
    '}',
    '',
  ].join('\n');
}

/** A number as an MLIR literal of an element type. */
function literal(value: number, element: Element): string {
  if (element === 'i1') return value === 0 ? 'false' : 'true';
  if (element === 'i32') return String(value);
  if (Number.isFinite(value)) {
    const text = (element === 'f32' ? Math.fround(value) : value).toExponential();
    if (Object.is(value, -0)) return '-0.0';
    return text.includes('.') ? text : text.replace('e', '.0e');
  }
  const bits = {
    f32: ['0x7FC00000', '0x7F800000', '0xFF800000'],
    bf16: ['0x7FC0', '0x7F80', '0xFF80'],
    f16: ['0x7E00', '0x7C00', '0xFC00'],
  }[element];
  return bits[Number.isNaN(value) ? 0 : value > 0 ? 1 : 2] as string;
}

class Printer {
  readonly #names = new Map<Value, string>();

  define(value: Value): string {
    const name = `%${this.#names.size}`;
    this.#names.set(value, name);
    return name;
  }

  block(block: Block<Value>, indent: string): string[] {
    return block.operations.flatMap((operation) => this.#operation(operation, indent));
  }

  #list(values: readonly Value[]): string {
    return values.map((value) => this.#names.get(value) as string).join(', ');
  }

  #operation(operation: Operation<Value>, indent: string): string[] {
    const { name, operands, results, attributes } = operation;
    if (name === 'scf.for') return this.#for(operation, indent);
    if (name === 'scf.if') return this.#if(operation, indent);
    if (name === 'tt.reduce' || name === 'tt.scan') return this.#combination(operation, indent);
    const list = this.#list(operands);
    const inputs = operands.map(({ type }) => typeText(type));
    const result = results[0];
    const output = result === undefined ? '' : typeText(result.type);
    const right = ((): string => {
      switch (name) {
        case 'arith.constant': {
          const { element, shape } = (result as Value).type;
          const text = literal(attributes['value'] as number, element);
          if (shape.length > 0) return `dense<${text}> : ${output}`;
          return element === 'i1' ? text : `${text} : ${output}`;
        }
        case 'tt.get_program_id':
          return `${attributes['axis'] as string} : i32`;
        case 'tt.make_range':
          return `{end = ${attributes['end'] as number} : i32, start = ${attributes['start'] as number} : i32} : ${output}`;
        case 'tt.splat':
        case 'tt.broadcast':
          return `${list} : ${inputs[0]} -> ${output}`;
        case 'tt.expand_dims':
          return `${list} {axis = ${attributes['axis'] as number} : i32} : ${inputs[0]} -> ${output}`;
        case 'tt.trans':
          return `${list} {order = array<i32: ${(attributes['order'] as number[]).join(', ')}>} : ${inputs[0]} -> ${output}`;
        case 'tt.addptr':
          return `${list} : ${inputs.join(', ')}`;
        case 'tt.load':
        case 'tt.store':
          return `${list} : ${inputs[0]}`;
        case 'tt.dot':
          return `${list}, inputPrecision = ${attributes['input'] as string} : ${inputs[0]} * ${inputs[1]} -> ${output}`;
        case 'arith.select':
          return `${list} : ${inputs[0]}, ${output}`;
        case 'arith.cmpf':
        case 'arith.cmpi':
          return `${attributes['predicate'] as string}, ${list} : ${inputs[0]}`;
        case 'arith.truncf':
        case 'arith.extf':
        case 'arith.sitofp':
        case 'arith.uitofp':
        case 'arith.fptosi':
        case 'arith.extui':
          return `${list} : ${inputs[0]} to ${output}`;
        default:
          return `${list} : ${output}`;
      }
    })();
    const left = result === undefined ? '' : `${this.define(result)} = `;
    return [`${indent}${left}${name} ${right}`];
  }

  /** `%a, %b = `, and the names. */
  #results(results: readonly Value[]): string {
    return results.length === 0 ? '' : `${results.map((result) => this.define(result)).join(', ')} = `;
  }

  /** Several results share one name in MLIR: `%5:2`, used as `%5#0`. */
  #bundle(results: readonly Value[]): string {
    if (results.length <= 1) return this.#results(results);
    const [first, ...rest] = results as [Value, ...Value[]];
    const name = this.define(first);
    this.#names.set(first, `${name}#0`);
    rest.forEach((value, i) => this.#names.set(value, `${name}#${i + 1}`));
    return `${name}:${results.length} = `;
  }

  #yield(keyword: string, { yields }: Block<Value>, indent: string): string {
    const types = yields.map(({ type }) => typeText(type)).join(', ');
    return `${indent}${keyword} ${this.#list(yields)} : ${types}`;
  }

  #for({ operands, results, attributes, regions }: Operation<Value>, indent: string): string[] {
    const [from, to, step, ...initial] = operands as [Value, Value, Value, ...Value[]];
    const body = regions[0] as Block<Value>;
    const [index, ...carried] = body.parameters as [Value, ...Value[]];
    const starts = initial.map((value) => this.#names.get(value) as string);
    const head = `scf.for ${this.define(index)} = ${this.#list([from])} to ${this.#list([to])} step ${this.#list([step])}`;
    const passed = carried.map((value, i) => `${this.define(value)} = ${starts[i]}`).join(', ');
    const types = results.map(({ type }) => typeText(type)).join(', ');
    const inner = this.block(body, `${indent}  `);
    const notes = Object.entries(attributes).map(([key, value]) => `${key} = ${String(value)} : i32`);
    const end = this.#yield('scf.yield', body, `${indent}  `);
    const left = this.#bundle(results);
    return [
      `${indent}${left}${head}${results.length > 0 ? ` iter_args(${passed}) -> (${types})` : ''}  : i32 {`,
      ...inner,
      ...(results.length > 0 ? [end] : []),
      `${indent}}${notes.length > 0 ? ` {${notes.join(', ')}}` : ''}`,
    ];
  }

  #if({ operands, results, regions }: Operation<Value>, indent: string): string[] {
    const types = results.map(({ type }) => typeText(type)).join(', ');
    const condition = this.#list(operands);
    const parts = regions.map((region) => [
      ...this.block(region, `${indent}  `),
      ...(results.length > 0 ? [this.#yield('scf.yield', region, `${indent}  `)] : []),
    ]);
    const left = this.#bundle(results);
    return [
      `${indent}${left}scf.if ${condition}${results.length > 0 ? ` -> (${types})` : ''} {`,
      ...(parts[0] as string[]),
      `${indent}} else {`,
      ...(parts[1] as string[]),
      `${indent}}`,
    ];
  }

  #combination({ name, operands, results, attributes, regions }: Operation<Value>, indent: string): string[] {
    const block = regions[0] as Block<Value>;
    const inputs = this.#list(operands);
    const heads = block.parameters.map((value) => `${this.define(value)}: ${typeText(value.type)}`).join(', ');
    const inner = this.block(block, `${indent}  `);
    const end = this.#yield(`${name}.return`, block, `${indent}  `);
    const reverse = name === 'tt.scan' ? `, reverse = ${String(attributes['reverse'])}` : '';
    const types = (values: readonly Value[]): string =>
      values.map(({ type }: { type: IrType }) => typeText(type)).join(', ');
    const left = this.#bundle(results);
    return [
      `${indent}${left}"${name}"(${inputs}) <{axis = ${attributes['axis'] as number} : i32${reverse}}> ({`,
      `${indent}^bb0(${heads}):`,
      ...inner,
      end,
      `${indent}}) : (${types(operands)}) -> (${types(results)})`,
    ];
  }
}
