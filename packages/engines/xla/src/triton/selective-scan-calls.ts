/** The selective scan's kernels as functions of nodes, with the contract of `SelectiveScan` and `SelectiveScanGrad`. */
import { multiply, reduce } from '../graph/hlo.ts';
import type { Node } from '../graph/node.ts';
import { blocksOf, powerOfTwo, tritonCall } from './custom-call.ts';
import type { Kernel } from './ir.ts';
import { chunkEndsKernel, chunksOf, combineChunksKernel, scanOutputKernel } from './selective-scan.ts';
import type { ScanShape, ScanTiling } from './selective-scan.ts';
import { allGroups, chunkGradientsKernel, groupStartsKernel, scanGradientKernel } from './selective-scan-gradient.ts';
import type { Value } from './value.ts';

/** f32: x, delta [B, T, D], a [D, N], b, c [B, T, N], skip [D]. */
export interface ScanInputs {
  readonly x: Node;
  readonly delta: Node;
  readonly a: Node;
  readonly b: Node;
  readonly c: Node;
  readonly skip?: Node | undefined;
}

/** Registers of a thread that may hold states of several steps. */
const stateRegisters = 64;

/** The tiling for a number of states: a thread holds the states of a group of steps. */
function scanTiling(states: number): ScanTiling {
  return { warps: 1, unroll: Math.max(1, Math.min(8, stateRegisters / powerOfTwo(states))) };
}

function shapeOf({ x, b }: ScanInputs, chunk: number): ScanShape {
  const [batch, steps, channels] = x.shape as [number, number, number];
  return { batch, steps, channels, states: b.shape[2] as number, chunk };
}

/** Whether the kernels take the call: CUDA, f32, at most 64 states a channel, sizes that i32 can count. */
export function selectiveScanFits(platform: string, inputs: ScanInputs, chunk: number): boolean {
  const { x, delta, a, b, c, skip } = inputs;
  const nodes = [x, delta, a, b, c, ...(skip ? [skip] : [])];
  if (platform !== 'cuda' || nodes.some(({ type, size }) => type !== 'f32' || size === 0)) return false;
  const shape = shapeOf(inputs, chunk);
  if (shape.states > 64 || shape.batch > 65_535 || chunksOf(shape) > 65_535) return false;
  const { unroll } = scanTiling(shape.states);
  const groups = shape.batch * Math.ceil(shape.steps / chunk) * (chunk / unroll);
  return chunk % unroll === 0 && groups * shape.channels * shape.states < 2 ** 31 && x.size < 2 ** 31;
}

const f32 = (...shape: number[]): { type: 'f32'; shape: number[] } => ({ type: 'f32', shape });

/** Starts a kernel for every block of channels and every chunk. */
function everywhere(
  kernel: Kernel<Value>,
  shape: ScanShape,
  tiling: ScanTiling,
  inputs: Node[],
  results: ReturnType<typeof f32>[],
): Node[] {
  const grid = [blocksOf(shape.channels, 32 * tiling.warps), chunksOf(shape), shape.batch] as const;
  return tritonCall({ kernel, grid, warps: tiling.warps, stages: 1 }, inputs, results);
}

/** Puts the chunks' parts together, in time or against it. */
function combined(shape: ScanShape, tiling: ScanTiling, parts: Node, sums: Node, a: Node, reverse: boolean): Node {
  const kernel = combineChunksKernel(shape, tiling, reverse);
  const grid = [blocksOf(shape.channels, 32 * tiling.warps), shape.batch, 1] as const;
  const launch = { kernel, grid, warps: tiling.warps, stages: 1 };
  return tritonCall(launch, [parts, sums, a], [f32(...parts.shape)])[0] as Node;
}

/** @returns y [B, T, D] and the state at each chunk's start [B, C, D, N]. Ask {@link selectiveScanFits} first. */
export function selectiveScan(inputs: ScanInputs, chunk: number, tiling?: ScanTiling): [Node, Node] {
  const { x, delta, a, b, c, skip } = inputs;
  const shape = shapeOf(inputs, chunk);
  const { batch, channels, states } = shape;
  const chosen = tiling ?? scanTiling(states);
  const count = chunksOf(shape);
  const [ends, sums] = everywhere(
    chunkEndsKernel(shape, chosen),
    shape,
    chosen,
    [x, delta, a, b],
    [f32(batch, count, channels, states), f32(batch, count, channels)],
  ) as [Node, Node];
  const starts = combined(shape, chosen, ends, sums, a, false);
  const kernel = scanOutputKernel(shape, chosen, skip !== undefined);
  const operands = [x, delta, a, b, c, ...(skip ? [skip] : []), starts];
  const [y] = everywhere(kernel, shape, chosen, operands, [f32(...x.shape)]) as [Node];
  return [y, starts];
}

/** Gradients of x, delta, a, b, c and, if there is one, skip; `starts` are the forward pass's states. */
export function selectiveScanGradient(
  inputs: ScanInputs & { readonly starts: Node; readonly dY: Node },
  chunk: number,
  tiling?: ScanTiling,
): Node[] {
  const { x, delta, a, b, c, skip, starts, dY } = inputs;
  const shape = shapeOf(inputs, chunk);
  const { batch, steps, channels, states } = shape;
  const chosen = tiling ?? scanTiling(states);
  const count = chunksOf(shape);
  const blocks = blocksOf(channels, 32 * chosen.warps);
  const [parts, sums] = everywhere(
    chunkGradientsKernel(shape, chosen),
    shape,
    chosen,
    [delta, a, c, dY],
    [f32(batch, count, channels, states), f32(batch, count, channels)],
  ) as [Node, Node];
  const later = combined(shape, chosen, parts, sums, a, true);
  const [groups] = everywhere(
    groupStartsKernel(shape, chosen),
    shape,
    chosen,
    [x, delta, a, b, starts],
    [f32(batch, allGroups(shape, chosen), channels, states)],
  ) as [Node];
  const operands = [x, delta, a, b, c, ...(skip ? [skip] : []), dY, groups, later];
  const [dX, dDelta, dA, dB, dC] = everywhere(
    scanGradientKernel(shape, chosen, skip !== undefined),
    shape,
    chosen,
    operands,
    [
      f32(...x.shape),
      f32(...x.shape),
      f32(batch, count, channels, states),
      f32(blocks, batch, steps, states),
      f32(blocks, batch, steps, states),
    ],
  ) as [Node, Node, Node, Node, Node];
  return [
    dX,
    dDelta,
    reduce('add', dA, 0, [0, 1]),
    reduce('add', dB, 0, [0]),
    reduce('add', dC, 0, [0]),
    ...(skip ? [reduce('add', multiply(dY, x), 0, [0, 1])] : []),
  ];
}
