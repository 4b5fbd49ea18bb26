/**
 * The backward pass of the selective scan, again by chunks. With g_t the gradient of h_t:
 *
 *   g_t = dy_t c_t + exp(delta_{t+1} a) g_{t+1}       dx_t = delta_t sum_n g_t b_t       db_t = sum_d g_t delta_t x_t
 *   ddelta_t = sum_n g_t (a (h_t - u_t) + x_t b_t)    da = sum g_t delta_t (h_t - u_t)   dc_t = sum_d dy_t h_t
 *
 * where u_t = delta_t x_t b_t, and h_t - u_t = exp(delta_t a) h_{t-1}. First what each chunk adds to the gradient before it,
 * then those put together against time (combineChunksKernel), then the sweep itself. It runs backwards over groups of a few
 * steps and has the states of a group in registers; where groups start, an extra pass over the chunk has written them down.
 *
 * Source: the chain rule, arranged as in A. Gu, T. Dao, "Mamba", arXiv:2312.00752, section 3.3 (states are computed again).
 */
import { KernelBuilder } from './builder.ts';
import type { Kernel } from './ir.ts';
import { ScanTile, chunksOf, stepsAt } from './selective-scan.ts';
import type { ScanShape, ScanTiling } from './selective-scan.ts';
import type { Value } from './value.ts';

/** Groups of a chunk. */
const groupsOf = ({ chunk }: ScanShape, { unroll }: ScanTiling): number => chunk / unroll;

/** Number of groups of steps of one example, those beyond the end included. */
export const allGroups = (shape: ScanShape, tiling: ScanTiling): number => chunksOf(shape) * groupsOf(shape, tiling);

/**
 * What a chunk adds to exp(delta a) g of its first step. Parameters: delta, a, c, dY; then [B, C, D, N] and the sums of
 * delta [B, C, D]. Programs: blocks of channels, chunks, batch.
 */
export function chunkGradientsKernel(shape: ScanShape, tiling: ScanTiling): Kernel<Value> {
  const b = new KernelBuilder('scan_chunk_gradients');
  const [delta, a, outputs, dY] = [b.pointer('f32'), b.pointer('f32'), b.pointer('f32'), b.pointer('f32')];
  const [parts, sums] = [b.pointer('f32'), b.pointer('f32')];
  const tile = new ScanTile(b, shape, tiling);
  const rate = tile.matrix(a).mul(Math.LOG2E);
  const [chunk, batch] = [b.programId('y'), b.programId('z')];
  const last = chunk.mul(shape.chunk).add(shape.chunk - tiling.unroll);
  const [gradient, sum] = b.for(
    0,
    shape.chunk,
    tiling.unroll,
    [tile.zero(), b.full(0, 'f32', [tile.size[1]])],
    (turn, carried) => {
      const loaded = stepsAt(shape, tiling.unroll, batch, last.sub(turn)).map(({ line, inside }) => ({
        delta: tile.channelsAt(delta, line, inside),
        dY: tile.channelsAt(dY, line, inside),
        c: tile.statesAt(outputs, line, inside),
      }));
      let [r, total] = carried as [Value, Value];
      for (const step of loaded.reverse()) {
        r = rate
          .mul(step.delta.expand(0))
          .exp2()
          .mul(r.add(step.dY.expand(0).mul(step.c.expand(1))));
        total = total.add(step.delta);
      }
      return [r, total];
    },
  ) as [Value, Value];
  const line = batch.mul(chunksOf(shape)).add(chunk);
  tile.storeMatrix(parts.offset(line.mul(shape.channels * shape.states)), gradient);
  tile.storeChannels(sums, line, undefined, sum);
  return b.build();
}

/**
 * States where groups of `unroll` steps start. Parameters: x, delta, a, b, starts [B, C, D, N]; then [B, groups, D, N].
 * Programs: blocks of channels, chunks, batch.
 */
export function groupStartsKernel(shape: ScanShape, tiling: ScanTiling): Kernel<Value> {
  const b = new KernelBuilder('scan_group_starts');
  const [x, delta, a, inputs] = [b.pointer('f32'), b.pointer('f32'), b.pointer('f32'), b.pointer('f32')];
  const [starts, groups] = [b.pointer('f32'), b.pointer('f32')];
  const tile = new ScanTile(b, shape, tiling);
  const rate = tile.matrix(a).mul(Math.LOG2E);
  const [chunk, batch] = [b.programId('y'), b.programId('z')];
  const matrix = shape.channels * shape.states;
  const start = tile.matrix(starts.offset(batch.mul(chunksOf(shape)).add(chunk).mul(matrix)));
  const each = groupsOf(shape, tiling);
  b.for(0, each, 1, [start], (group, [state]) => {
    const place = chunk.mul(each).add(group);
    tile.storeMatrix(groups.offset(batch.mul(allGroups(shape, tiling)).add(place).mul(matrix)), state as Value);
    const loaded = stepsAt(shape, tiling.unroll, batch, place.mul(tiling.unroll)).map(({ line, inside }) => ({
      x: tile.channelsAt(x, line, inside),
      delta: tile.channelsAt(delta, line, inside),
      b: tile.statesAt(inputs, line, inside),
    }));
    let h = state as Value;
    for (const step of loaded)
      h = rate
        .mul(step.delta.expand(0))
        .exp2()
        .mul(h)
        .add(step.delta.mul(step.x).expand(0).mul(step.b.expand(1)));
    return [h];
  });
  return b.build();
}

/**
 * The sweep. Parameters: x, delta, a, b, c, skip [D] if there is one, dY, group starts, what comes from later chunks
 * [B, C, D, N]; then dX and dDelta [B, T, D], dA of each chunk [B, C, D, N], and for each block of channels dB and dC
 * [blocks, B, T, N]. Programs: blocks of channels, chunks, batch.
 */
export function scanGradientKernel(shape: ScanShape, tiling: ScanTiling, withSkip: boolean): Kernel<Value> {
  const { unroll } = tiling;
  const b = new KernelBuilder('scan_gradient');
  const [x, delta, a] = [b.pointer('f32'), b.pointer('f32'), b.pointer('f32')];
  const [inputs, outputs] = [b.pointer('f32'), b.pointer('f32')];
  const skip = withSkip ? b.pointer('f32') : undefined;
  const [dY, groups, later] = [b.pointer('f32'), b.pointer('f32'), b.pointer('f32')];
  const [dX, dDelta, dA, dB, dC] = [0, 1, 2, 3, 4].map(() => b.pointer('f32')) as [Value, Value, Value, Value, Value];
  const tile = new ScanTile(b, shape, tiling);
  const plain = tile.matrix(a);
  const rate = plain.mul(Math.LOG2E);
  const direct = skip && tile.channelsAt(skip, b.full(0, 'i32'), undefined);
  const [chunk, batch] = [b.programId('y'), b.programId('z')];
  const matrix = shape.channels * shape.states;
  const chunkLine = batch.mul(chunksOf(shape)).add(chunk).mul(matrix);
  const each = groupsOf(shape, tiling);
  const block = b.programId('x').mul(shape.batch * shape.steps);
  const fromLater = tile.matrix(later.offset(chunkLine));

  const [, sumA] = b.for(0, each, 1, [fromLater, tile.zero()], (turn, carried) => {
    const place = chunk.mul(each).add(turn.mul(-1).add(each - 1));
    const steps = stepsAt(shape, unroll, batch, place.mul(unroll)).map((at) => ({
      ...at,
      x: tile.channelsAt(x, at.line, at.inside),
      delta: tile.channelsAt(delta, at.line, at.inside),
      b: tile.statesAt(inputs, at.line, at.inside),
      c: tile.statesAt(outputs, at.line, at.inside),
      dY: tile.channelsAt(dY, at.line, at.inside),
    }));
    let h = tile.matrix(groups.offset(batch.mul(allGroups(shape, tiling)).add(place).mul(matrix)));
    const states = steps.map((step) => {
      h = rate
        .mul(step.delta.expand(0))
        .exp2()
        .mul(h)
        .add(step.delta.mul(step.x).expand(0).mul(step.b.expand(1)));
      return h;
    });
    // r is exp(delta_{t+1} a) g_{t+1}.
    let [r, da] = carried as [Value, Value];
    for (let i = unroll - 1; i >= 0; i--) {
      const { line, inside, ...step } = steps[i] as (typeof steps)[number];
      const state = states[i] as Value;
      const g = r.add(step.dY.expand(0).mul(step.c.expand(1)));
      const [d, xs, bs] = [step.delta.expand(0), step.x.expand(0), step.b.expand(1)];
      const decayed = state.sub(d.mul(xs).mul(bs)); // exp(delta_t a) h_{t-1}
      const gDecayed = g.mul(decayed);
      const sumB = b.sum(g.mul(bs), 0); // [BD]
      const own = sumB.mul(step.delta);
      tile.storeChannels(dX, line, inside, direct ? own.add(direct.mul(step.dY)) : own);
      tile.storeChannels(dDelta, line, inside, b.sum(gDecayed.mul(plain), 0).add(sumB.mul(step.x)));
      tile.storeStates(dB, block.add(line), inside, b.sum(g.mul(d.mul(xs)), 1));
      tile.storeStates(dC, block.add(line), inside, b.sum(state.mul(step.dY.expand(0)), 1));
      da = da.add(gDecayed.mul(d));
      r = rate.mul(d).exp2().mul(g);
    }
    return [r, da];
  }) as [Value, Value];
  tile.storeMatrix(dA.offset(chunkLine), sumA);
  return b.build();
}
