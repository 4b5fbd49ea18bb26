/**
 * Runs a kernel on the host, operation by operation, so that tests without a GPU see its numbers.
 *
 * Every program of the grid runs alone and in order. Elements are rounded as their types say; dots are summed in double
 * precision and rounded once, after their operands were rounded as the dot's input precision says. A load or store outside
 * its buffer is an error.
 */
import { isFloat, typeText } from '../ir.ts';
import type { Block, Element, IrType, Kernel, Operation } from '../ir.ts';
import type { Value } from '../value.ts';

/** Elements, of any type, as doubles. */
type Elements = Float64Array;

/** What a value is while a program runs. */
interface Datum {
  readonly data: Elements;
  /** The buffer that pointers point into. */
  readonly buffer?: Float32Array | Int32Array | undefined;
}

const bits = new Uint32Array(1);
const float = new Float32Array(bits.buffer);

/** float32 with `kept` bits of mantissa after the leading one, to nearest even. */
function shorten(value: number, kept: number): number {
  float[0] = value;
  if (!Number.isFinite(float[0] as number)) return float[0] as number;
  const drop = 23 - kept;
  const word = bits[0] as number;
  bits[0] = ((word + (2 ** (drop - 1) - 1) + ((word >>> drop) & 1)) >>> drop) << drop;
  return float[0] as number;
}

/** float16: 10 bits of mantissa, gradual underflow under 2^-14, infinite from 65520 on. */
function half(value: number): number {
  if (Math.abs(value) < 2 ** -14) return Math.round(value * 2 ** 24) / 2 ** 24;
  const short = shorten(value, 10);
  return Math.abs(short) > 65504 ? Math.sign(short) * Infinity : short;
}

const rounders: Record<Element, (value: number) => number> = {
  f32: Math.fround,
  f16: half,
  bf16: (value) => shorten(value, 7),
  i32: (value) => value | 0,
  i1: (value) => (value === 0 ? 0 : 1),
};

const sizeOf = (shape: readonly number[]): number => shape.reduce((product, length) => product * length, 1);

const binary: Record<string, (a: number, b: number) => number> = {
  addf: (a, b) => a + b,
  subf: (a, b) => a - b,
  mulf: (a, b) => a * b,
  divf: (a, b) => a / b,
  maxnumf: (a, b) => (Number.isNaN(a) ? b : Number.isNaN(b) ? a : Math.max(a, b)),
  minnumf: (a, b) => (Number.isNaN(a) ? b : Number.isNaN(b) ? a : Math.min(a, b)),
  addi: (a, b) => a + b,
  subi: (a, b) => a - b,
  muli: Math.imul,
  divsi: (a, b) => Math.trunc(a / b),
  remsi: (a, b) => a % b,
  maxsi: Math.max,
  minsi: Math.min,
  andi: (a, b) => a & b,
  ori: (a, b) => a | b,
};

const comparisons: Record<string, (a: number, b: number) => boolean> = {
  lt: (a, b) => a < b,
  le: (a, b) => a <= b,
  gt: (a, b) => a > b,
  ge: (a, b) => a >= b,
  eq: (a, b) => a === b,
  ne: (a, b) => a !== b,
};

const functions: Record<string, (x: number) => number> = {
  exp2: (x) => 2 ** x,
  log2: Math.log2,
  absf: Math.abs,
  sqrt: Math.sqrt,
};

/** Runs all programs; buffers are those of the parameters, in order, and are written in place. */
export function interpret(
  kernel: Kernel<Value>,
  grid: readonly [number, number, number],
  buffers: readonly (Float32Array | Int32Array)[],
): void {
  for (let z = 0; z < grid[2]; z++)
    for (let y = 0; y < grid[1]; y++) for (let x = 0; x < grid[0]; x++) new Program({ x, y, z }).start(kernel, buffers);
}

class Program {
  readonly #place: Readonly<Record<string, number>>;
  readonly #values = new Map<Value, Datum>();

  constructor(place: Readonly<Record<string, number>>) {
    this.#place = place;
  }

  start({ body }: Kernel<Value>, buffers: readonly (Float32Array | Int32Array)[]): void {
    body.parameters.forEach((value, i) => this.#values.set(value, { data: new Float64Array(1), buffer: buffers[i] }));
    this.#block(body);
  }

  #block(block: Block<Value>): Datum[] {
    for (const operation of block.operations) {
      const results = this.#operation(operation);
      operation.results.forEach((value, i) => this.#values.set(value, results[i] as Datum));
    }
    return block.yields.map((value) => this.#get(value));
  }

  #get(value: Value): Datum {
    return this.#values.get(value) as Datum;
  }

  #operation(operation: Operation<Value>): Datum[] {
    const { name, operands, results, attributes } = operation;
    const inputs = operands.map((value) => this.#get(value));
    const [a, b, c] = inputs as [Datum, Datum, Datum];
    const type = results[0]?.type as IrType;
    const make = (element: (i: number) => number): Datum[] => {
      const round = rounders[type.element];
      return [{ data: Float64Array.from({ length: sizeOf(type.shape) }, (_, i) => round(element(i))) }];
    };
    const source = operands[0]?.type as IrType;
    switch (name) {
      case 'arith.constant':
        return make(() => attributes['value'] as number);
      case 'tt.get_program_id':
        return make(() => this.#place[attributes['axis'] as string] as number);
      case 'tt.make_range':
        return make((i) => i + (attributes['start'] as number));
      case 'tt.splat':
        return [{ data: new Float64Array(sizeOf(type.shape)).fill(a.data[0] as number), buffer: a.buffer }];
      case 'tt.expand_dims':
        return [a];
      case 'tt.broadcast':
        return [{ data: broadcast(a.data, source.shape, type.shape), buffer: a.buffer }];
      case 'tt.trans': {
        const [rows, columns] = source.shape as [number, number];
        return make((i) => a.data[(i % rows) * columns + Math.floor(i / rows)] as number);
      }
      case 'tt.addptr':
        return [{ data: a.data.map((at, i) => at + (b.data[i] as number)), buffer: a.buffer }];
      case 'tt.load':
        return make((i) => (inputs.length > 1 && b.data[i] === 0 ? (c.data[i] as number) : at(operation, a, i)));
      case 'tt.store':
        a.data.forEach((_, i) => {
          if (inputs.length > 2 && c.data[i] === 0) return;
          at(operation, a, i);
          (a.buffer as Float32Array)[a.data[i] as number] = b.data[i] as number;
        });
        return [];
      case 'tt.dot':
        return this.#dot(operation, a, b, c);
      case 'tt.reduce':
        return this.#reduce(operation, inputs);
      case 'tt.scan':
        return this.#scan(operation, inputs);
      case 'scf.for':
        return this.#for(operation, inputs);
      case 'scf.if':
        return this.#block(operation.regions[a.data[0] === 0 ? 1 : 0] as Block<Value>);
      case 'arith.select':
        return make((i) => (a.data[i] === 0 ? (c.data[i] as number) : (b.data[i] as number)));
      case 'arith.cmpf':
      case 'arith.cmpi': {
        const compare = comparisons[(attributes['predicate'] as string).slice(-2)] as (x: number, y: number) => boolean;
        return make((i) => (compare(a.data[i] as number, b.data[i] as number) ? 1 : 0));
      }
      case 'arith.truncf':
      case 'arith.extf':
      case 'arith.sitofp':
      case 'arith.uitofp':
      case 'arith.extui':
        return make((i) => a.data[i] as number);
      case 'arith.fptosi':
        return make((i) => Math.trunc(a.data[i] as number));
      default: {
        const [, short] = name.split('.') as [string, string];
        const one = functions[short];
        if (one) return make((i) => one(a.data[i] as number));
        const two = binary[short];
        if (two) return make((i) => two(a.data[i] as number, b.data[i] as number));
        throw new Error(`interpret: ${name} is not known.`);
      }
    }
  }

  #dot({ operands, attributes }: Operation<Value>, a: Datum, b: Datum, sum: Datum): Datum[] {
    const [m, k] = operands[0]?.shape as [number, number];
    const [, n] = operands[1]?.shape as [number, number];
    const round = attributes['input'] === 'tf32' ? (x: number): number => shorten(x, 10) : (x: number): number => x;
    const [left, right] = [a.data.map(round), b.data.map(round)];
    const data = sum.data.slice();
    for (let i = 0; i < m; i++)
      for (let j = 0; j < n; j++) {
        let total = data[i * n + j] as number;
        for (let l = 0; l < k; l++) total += (left[i * k + l] as number) * (right[l * n + j] as number);
        data[i * n + j] = Math.fround(total);
      }
    return [{ data }];
  }

  /** Lines along an axis: for each, the positions of its elements. */
  #lines(shape: readonly number[], axis: number): number[][] {
    const length = shape[axis] as number;
    const inner = sizeOf(shape.slice(axis + 1));
    return Array.from({ length: sizeOf(shape) / length }, (_, line) => {
      const start = Math.floor(line / inner) * inner * length + (line % inner);
      return Array.from({ length }, (__, i) => start + i * inner);
    });
  }

  #combine({ regions }: Operation<Value>, left: readonly number[], right: readonly number[]): number[] {
    const block = regions[0] as Block<Value>;
    block.parameters.forEach((value, i) =>
      this.#values.set(value, { data: Float64Array.of([...left, ...right][i] as number) }),
    );
    return this.#block(block).map(({ data }) => data[0] as number);
  }

  #reduce(operation: Operation<Value>, inputs: readonly Datum[]): Datum[] {
    const lines = this.#lines(operation.operands[0]?.shape as number[], operation.attributes['axis'] as number);
    const rows = lines.map((positions) =>
      positions
        .map((position) => inputs.map(({ data }) => data[position] as number))
        .reduce((left, right) => this.#combine(operation, left, right)),
    );
    return inputs.map((_, i) => ({ data: Float64Array.from(rows, (row) => row[i] as number) }));
  }

  #scan(operation: Operation<Value>, inputs: readonly Datum[]): Datum[] {
    const outputs = inputs.map(({ data }) => data.slice());
    for (const line of this.#lines(operation.operands[0]?.shape as number[], operation.attributes['axis'] as number)) {
      const positions = operation.attributes['reverse'] === true ? line.reverse() : line;
      let state: number[] | undefined;
      for (const position of positions) {
        const element = inputs.map(({ data }) => data[position] as number);
        state = state === undefined ? element : this.#combine(operation, state, element);
        state.forEach((value, i) => ((outputs[i] as Elements)[position] = value));
      }
    }
    return outputs.map((data) => ({ data }));
  }

  #for({ regions }: Operation<Value>, [from, to, step, ...carried]: readonly Datum[]): Datum[] {
    const block = regions[0] as Block<Value>;
    let state: readonly Datum[] = carried;
    const [first, end, stride] = [from, to, step].map((bound) => bound?.data[0] as number) as [number, number, number];
    for (let i = first; i < end; i += stride) {
      block.parameters.forEach((value, p) =>
        this.#values.set(value, p === 0 ? { data: Float64Array.of(i) } : (state[p - 1] as Datum)),
      );
      state = this.#block(block);
    }
    return [...state];
  }
}

function at({ name, operands }: Operation<Value>, { data, buffer }: Datum, i: number): number {
  const found = buffer?.[data[i] as number];
  if (found === undefined)
    throw new Error(
      `interpret: ${name} of ${typeText(operands[0]?.type as IrType)} at ${data[i]}, outside 0…${buffer?.length}.`,
    );
  return isFloat((operands[0] as Value).element) ? found : Math.trunc(found);
}

function broadcast(data: Elements, from: readonly number[], to: readonly number[]): Elements {
  const strides = from.map((length, i) => (length === 1 ? 0 : sizeOf(from.slice(i + 1))));
  return Float64Array.from({ length: sizeOf(to) }, (_, flat) => {
    let rest = flat;
    let position = 0;
    for (let i = to.length - 1; i >= 0; i--) {
      position += (rest % (to[i] as number)) * (strides[i] as number);
      rest = Math.floor(rest / (to[i] as number));
    }
    return data[position] as number;
  });
}
