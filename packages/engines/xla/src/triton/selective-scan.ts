/**
 * Kernels of the selective scan h_t = exp(delta_t a) h_{t-1} + delta_t x_t b_t, y_t = sum over n of h_t c_t.
 *
 * Time is cut into chunks, which run side by side: first each chunk's end from a start of zero, then a short pass over the
 * chunks puts those together to the true starts, then each chunk runs again from its start and writes y. A thread owns a
 * channel with all its N states, so sums over n need no exchange; several steps are loaded before they are used.
 *
 * Source: A. Gu, T. Dao, "Mamba", arXiv:2312.00752, section 3.3 and algorithm 2. Differs: chunks instead of one sequential
 * pass over the whole length; the states kept for the backward pass are those at the chunks' starts.
 */
import { KernelBuilder } from './builder.ts';
import { powerOfTwo } from './custom-call.ts';
import type { Kernel } from './ir.ts';
import type { Value } from './value.ts';

/** Sizes of a scan. */
export interface ScanShape {
  readonly batch: number;
  /** Length T. */
  readonly steps: number;
  /** Channels D. */
  readonly channels: number;
  /** States N of a channel. */
  readonly states: number;
  /** Steps of a chunk; a multiple of the tiling's `unroll`. */
  readonly chunk: number;
}

/** How the kernels cut their work: programs of 32 channels a warp. */
export interface ScanTiling {
  readonly warps: number;
  /** Steps that are loaded at once. */
  readonly unroll: number;
}

export const chunksOf = ({ steps, chunk }: ScanShape): number => Math.ceil(steps / chunk);

/** Places of a program's channels and states, and readers of what lies there. */
export class ScanTile {
  readonly b: KernelBuilder;
  readonly shape: ScanShape;
  /** [BD] i32. */
  readonly channels: Value;
  /** [N] i32, padded to a power of two. */
  readonly states: Value;
  /** Lengths of a tile of states, [N, BD]. */
  readonly size: readonly [number, number];
  readonly #inChannels: Value | undefined;
  readonly #inStates: Value | undefined;

  constructor(b: KernelBuilder, shape: ScanShape, tiling: ScanTiling) {
    const width = 32 * tiling.warps;
    const padded = powerOfTwo(shape.states);
    this.b = b;
    this.shape = shape;
    this.channels = b.programId('x').mul(width).add(b.range(width));
    this.states = b.range(padded);
    this.size = [padded, width];
    this.#inChannels = shape.channels % width === 0 ? undefined : this.channels.lt(shape.channels);
    this.#inStates = padded === shape.states ? undefined : this.states.lt(shape.states);
  }

  zero(): Value {
    return this.b.full(0, 'f32', this.size);
  }

  /** Elements [D, N] of a matrix at the tile: [N, BD]. */
  matrix(pointer: Value): Value {
    return this.b.load(this.#matrixAt(pointer), this.#matrixMask());
  }

  /** Writes a tile [N, BD] into a matrix [D, N]. */
  storeMatrix(pointer: Value, values: Value): void {
    this.b.store(this.#matrixAt(pointer), values, this.#matrixMask());
  }

  #matrixAt(pointer: Value): Value {
    return pointer.offset(this.channels.expand(0).mul(this.shape.states).add(this.states.expand(1)));
  }

  #matrixMask(): Value | undefined {
    const [row, column] = [this.#inStates?.expand(1), this.#inChannels?.expand(0)];
    return row && column ? row.and(column) : (row ?? column);
  }

  /** The row of channels [B, T, D] at a step: [BD], 0 beyond the end. */
  channelsAt(pointer: Value, line: Value, inside: Value | undefined): Value {
    return this.b.load(
      pointer.offset(line.mul(this.shape.channels)).offset(this.channels),
      this.#both(this.#inChannels, inside),
    );
  }

  storeChannels(pointer: Value, line: Value, inside: Value | undefined, values: Value): void {
    const mask = this.#both(this.#inChannels, inside);
    this.b.store(pointer.offset(line.mul(this.shape.channels)).offset(this.channels), values, mask);
  }

  /** The row of states [B, T, N] at a step: [N], 0 beyond the end. */
  statesAt(pointer: Value, line: Value, inside: Value | undefined): Value {
    return this.b.load(
      pointer.offset(line.mul(this.shape.states)).offset(this.states),
      this.#both(this.#inStates, inside),
    );
  }

  storeStates(pointer: Value, line: Value, inside: Value | undefined, values: Value): void {
    const mask = this.#both(this.#inStates, inside);
    this.b.store(pointer.offset(line.mul(this.shape.states)).offset(this.states), values, mask);
  }

  #both(mask: Value | undefined, inside: Value | undefined): Value | undefined {
    return mask && inside ? mask.and(inside) : (mask ?? inside);
  }
}

/** Steps `first + 0 … unroll - 1` of a chunk: where their rows lie, and whether they are before the end. */
export function stepsAt(
  shape: ScanShape,
  unroll: number,
  batch: Value,
  first: Value,
): { readonly line: Value; readonly inside: Value | undefined }[] {
  const uneven = shape.steps % shape.chunk !== 0;
  return Array.from({ length: unroll }, (_, i) => {
    const step = first.add(i);
    return { line: batch.mul(shape.steps).add(step), inside: uneven ? step.lt(shape.steps) : undefined };
  });
}

/**
 * The end of each chunk from a start of zero. Parameters: x, delta, a, b; then ends f32 [B, C, D, N] and the sums of delta
 * f32 [B, C, D]. Programs: blocks of channels, chunks, batch.
 */
export function chunkEndsKernel(shape: ScanShape, tiling: ScanTiling): Kernel<Value> {
  const b = new KernelBuilder('scan_chunk_ends');
  const [x, delta, a, inputs] = [b.pointer('f32'), b.pointer('f32'), b.pointer('f32'), b.pointer('f32')];
  const [ends, sums] = [b.pointer('f32'), b.pointer('f32')];
  const tile = new ScanTile(b, shape, tiling);
  const rate = tile.matrix(a).mul(Math.LOG2E);
  const [chunk, batch] = [b.programId('y'), b.programId('z')];
  const first = chunk.mul(shape.chunk);
  const [state, sum] = b.for(
    first,
    first.add(shape.chunk),
    tiling.unroll,
    [tile.zero(), b.full(0, 'f32', [tile.size[1]])],
    (start, carried) => {
      const loaded = stepsAt(shape, tiling.unroll, batch, start).map(({ line, inside }) => ({
        x: tile.channelsAt(x, line, inside),
        delta: tile.channelsAt(delta, line, inside),
        b: tile.statesAt(inputs, line, inside),
      }));
      let [h, total] = carried as [Value, Value];
      for (const step of loaded) {
        h = rate
          .mul(step.delta.expand(0))
          .exp2()
          .mul(h)
          .add(step.delta.mul(step.x).expand(0).mul(step.b.expand(1)));
        total = total.add(step.delta);
      }
      return [h, total];
    },
  ) as [Value, Value];
  const line = batch.mul(chunksOf(shape)).add(chunk);
  tile.storeMatrix(ends.offset(line.mul(shape.channels * shape.states)), state);
  tile.storeChannels(sums, line, undefined, sum);
  return b.build();
}

/**
 * Puts chunks together: next = exp(a sum) current + end. Parameters: ends [B, C, D, N], sums [B, C, D], a; then the value
 * before each chunk [B, C, D, N], in the order of time, or, `reverse`, against it. Programs: blocks of channels, batch.
 */
export function combineChunksKernel(shape: ScanShape, tiling: ScanTiling, reverse: boolean): Kernel<Value> {
  const b = new KernelBuilder(reverse ? 'scan_combine_reverse' : 'scan_combine');
  const [ends, sums, a, starts] = [b.pointer('f32'), b.pointer('f32'), b.pointer('f32'), b.pointer('f32')];
  const tile = new ScanTile(b, shape, tiling);
  const rate = tile.matrix(a).mul(Math.LOG2E);
  const batch = b.programId('y');
  const count = chunksOf(shape);
  b.for(0, count, 1, [tile.zero()], (turn, [current]) => {
    const chunk = reverse ? turn.mul(-1).add(count - 1) : turn;
    const line = batch.mul(count).add(chunk);
    const matrix = line.mul(shape.channels * shape.states);
    const end = tile.matrix(ends.offset(matrix));
    const decay = rate.mul(tile.channelsAt(sums, line, undefined).expand(0)).exp2();
    tile.storeMatrix(starts.offset(matrix), current as Value);
    return [decay.mul(current as Value).add(end)];
  });
  return b.build();
}

/**
 * The output. Parameters: x, delta, a, b, c, skip [D] if there is one, starts [B, C, D, N]; then y [B, T, D]. Programs:
 * blocks of channels, chunks, batch.
 */
export function scanOutputKernel(shape: ScanShape, tiling: ScanTiling, withSkip: boolean): Kernel<Value> {
  const b = new KernelBuilder('scan_output');
  const [x, delta, a] = [b.pointer('f32'), b.pointer('f32'), b.pointer('f32')];
  const [inputs, outputs] = [b.pointer('f32'), b.pointer('f32')];
  const skip = withSkip ? b.pointer('f32') : undefined;
  const [starts, y] = [b.pointer('f32'), b.pointer('f32')];
  const tile = new ScanTile(b, shape, tiling);
  const rate = tile.matrix(a).mul(Math.LOG2E);
  const direct = skip && tile.channelsAt(skip, b.full(0, 'i32'), undefined);
  const [chunk, batch] = [b.programId('y'), b.programId('z')];
  const first = chunk.mul(shape.chunk);
  const line = batch.mul(chunksOf(shape)).add(chunk);
  const start = tile.matrix(starts.offset(line.mul(shape.channels * shape.states)));
  b.for(first, first.add(shape.chunk), tiling.unroll, [start], (at, [state]) => {
    const loaded = stepsAt(shape, tiling.unroll, batch, at).map((place) => ({
      ...place,
      x: tile.channelsAt(x, place.line, place.inside),
      delta: tile.channelsAt(delta, place.line, place.inside),
      b: tile.statesAt(inputs, place.line, place.inside),
      c: tile.statesAt(outputs, place.line, place.inside),
    }));
    let h = state as Value;
    for (const step of loaded) {
      h = rate
        .mul(step.delta.expand(0))
        .exp2()
        .mul(h)
        .add(step.delta.mul(step.x).expand(0).mul(step.b.expand(1)));
      const sum = b.sum(h.mul(step.c.expand(1)), 0);
      tile.storeChannels(y, step.line, step.inside, direct ? sum.add(direct.mul(step.x)) : sum);
    }
    return [h];
  });
  return b.build();
}
