/**
 * The selective scan of Mamba (Gu and Dao, arXiv:2312.00752, algorithm 2 and appendix D) by chunks of time.
 *
 * SelectiveScan { x [B, T, D], delta [B, T, D], a [D, N], b [B, T, N], c [B, T, N], skip? [D] } with { chunk } ->
 * [y [B, T, D], states [B, ceil(T / chunk), D, N]], where states are those at the start of each chunk;
 * SelectiveScanGrad { ..., states, dY } -> gradients of all inputs in that order.
 *
 * A loop over chunks holds one over steps that does nothing but h = exp(delta a) h + delta x b and stores the states of
 * the chunk; everything else is done for the chunk at once. So memory is that of one chunk's states, [chunk, B, N, D].
 * Inside, time comes first and channels last: steps are contiguous, and sums over N run along vectors of channels.
 */
import { broadcastTo } from '../graph/broadcast.ts';
import {
  add,
  broadcastInDim,
  compare,
  constant,
  dotGeneral,
  dynamicSlice,
  dynamicUpdateSlice,
  multiply,
  reduce,
  reshape,
  slice,
  subtract,
  transpose,
  unary,
} from '../graph/hlo.ts';
import { index, whileLoop } from '../graph/loop.ts';
import type { Node } from '../graph/node.ts';
import { selectiveScanGradientOf, selectiveScanOf } from '../triton/for-call.ts';
import type { KernelCall, Lowerings } from './kernel.ts';
import { lengthen } from './tiles.ts';

interface Sizes {
  readonly batch: number;
  readonly time: number;
  readonly channels: number;
  readonly states: number;
  readonly chunk: number;
  /** Number of chunks. */
  readonly chunks: number;
}

/** Inputs with time first and padded to whole chunks: delta = 0 leaves the state alone. a is [N, D]. */
interface Inputs {
  readonly x: Node;
  readonly delta: Node;
  readonly a: Node;
  readonly b: Node;
  readonly c: Node;
}

const zeros = (...shape: number[]): Node => constant(0, 'f32', shape);

/** [B, T, k] -> [T', B, k]. */
const timeFirst = (x: Node, { chunk, chunks }: Sizes): Node => lengthen(transpose(x, [1, 0, 2]), 0, chunks * chunk);

/** [T', B, k] -> [B, T, k]. */
const batchFirst = (x: Node, { time }: Sizes): Node =>
  transpose(slice(x, [0, 0, 0], [time, x.shape[1] as number, x.shape[2] as number]), [1, 0, 2]);

/** Per channel, [..., B, D] -> [..., B, N, D]. */
function overStates(x: Node, states: number): Node {
  const rank = x.shape.length;
  const shape = [...x.shape.slice(0, -1), states, x.shape[rank - 1] as number];
  return broadcastInDim(x, shape, [...x.shape.slice(0, -1).map((_, i) => i), rank]);
}

/** Per state, [..., B, N] -> [..., B, N, D]. */
const overChannels = (x: Node, channels: number): Node =>
  broadcastInDim(
    x,
    [...x.shape, channels],
    x.shape.map((_, i) => i),
  );

/** Element t of a chunk, without its leading dimension. */
const stepOf = (x: Node, t: Node): Node =>
  reshape(dynamicSlice(x, [t, ...x.shape.slice(1).map(() => index(0))], [1, ...x.shape.slice(1)]), x.shape.slice(1));

/** Writes element t of a chunk. */
const putStep = (x: Node, value: Node, t: Node): Node =>
  dynamicUpdateSlice(x, reshape(value, [1, ...value.shape]), [t, ...value.shape.map(() => index(0))]);

/** Chunk k of the padded time. */
const chunkOf = (x: Node, start: Node, { chunk }: Sizes): Node =>
  dynamicSlice(x, [start, ...x.shape.slice(1).map(() => index(0))], [chunk, ...x.shape.slice(1)]);

const putChunk = (x: Node, value: Node, start: Node): Node =>
  dynamicUpdateSlice(x, value, [start, ...value.shape.slice(1).map(() => index(0))]);

/** exp(delta_t a): [B, D], [N, D] -> [B, N, D]. */
function decay(delta: Node, a: Node): Node {
  const wide = overStates(delta, a.shape[0] as number);
  return unary('exponential', multiply(wide, broadcastTo(a, wide.shape)));
}

/** delta_t x_t b_t: [B, N, D]. */
const input = (delta: Node, x: Node, b: Node): Node =>
  multiply(overStates(multiply(delta, x), b.shape[1] as number), overChannels(b, x.shape[1] as number));

/**
 * Runs the steps of a chunk from state h [B, N, D]. What is stored of each step goes to a buffer [chunk, B, N, D]: the state
 * after it, or the decayed state before it.
 */
function runChunk(h: Node, part: Inputs, sizes: Sizes, store: 'state' | 'decayed'): [last: Node, stored: Node] {
  const result = whileLoop(
    [index(0), h, zeros(sizes.chunk, ...h.shape), part.x, part.delta, part.b, part.a],
    ([t]) => compare('LT', t as Node, index(sizes.chunk)),
    (state) => {
      const [t, before, buffer, x, delta, b, a] = state as [Node, Node, Node, Node, Node, Node, Node];
      const now = stepOf(delta, t);
      const decayed = multiply(decay(now, a), before);
      const after = add(decayed, input(now, stepOf(x, t), stepOf(b, t)));
      return [add(t, index(1)), after, putStep(buffer, store === 'state' ? after : decayed, t), x, delta, b, a];
    },
  );
  return [result[1] as Node, result[2] as Node];
}

function forward(inputs: Inputs, sizes: Sizes): { y: Node; states: Node } {
  const { batch, channels, states: n, chunk, chunks } = sizes;
  const { x, delta, a, b, c } = inputs;
  const result = whileLoop(
    [
      index(0),
      zeros(batch, n, channels),
      zeros(chunks * chunk, batch, channels),
      zeros(chunks, batch, n, channels),
      ...[x, delta, a, b, c],
    ],
    ([k]) => compare('LT', k as Node, index(chunks)),
    (state) => {
      const [k, h, y, starts, ...all] = state as [Node, Node, Node, Node, ...Node[]];
      const at = multiply(k, index(chunk));
      const part = chunkInputs(all, at, sizes);
      const [last, after] = runChunk(h, part, sizes, 'state');
      // y_t = sum over n of c_t h_t: [chunk, B, D]
      const outputs = reduce('add', multiply(after, overChannels(part.c, channels)), 0, [2]);
      return [add(k, index(1)), last, putChunk(y, outputs, at), putStep(starts, h, k), ...all];
    },
  );
  return { y: result[2] as Node, states: result[3] as Node };
}

function chunkInputs([x, delta, a, b, c]: readonly Node[], at: Node, sizes: Sizes): Inputs {
  const part = (whole: Node | undefined): Node => chunkOf(whole as Node, at, sizes);
  return { x: part(x), delta: part(delta), a: a as Node, b: part(b), c: part(c) };
}

/** Sum over channels: [chunk, B, N, D] with [chunk, B, D] -> [chunk, B, N], as products of matrices and vectors. */
function sumChannels(matrix: Node, vector: Node): Node {
  const dims = { lhsBatch: [0, 1], rhsBatch: [0, 1], lhsContract: [3], rhsContract: [2] };
  return dotGeneral(matrix, vector, dims, 'HIGHEST');
}

/**
 * Goes through a chunk backwards: with carry = what the steps after it give to its last state, g_t = c_t dy_t + carry and
 * carry = exp(delta_t a) g_t. Returns the carry to the chunk before and all g, [chunk, B, N, D].
 */
function runBackwards(carry: Node, part: Inputs, dY: Node, sizes: Sizes): [carry: Node, stored: Node] {
  const { channels, states, chunk } = sizes;
  const result = whileLoop(
    [index(chunk - 1), carry, zeros(chunk, ...carry.shape), dY, part.c, part.delta, part.a],
    ([t]) => compare('GE', t as Node, index(0)),
    (state) => {
      const [t, from, buffer, dy, c, delta, a] = state as [Node, Node, Node, Node, Node, Node, Node];
      const g = add(multiply(overStates(stepOf(dy, t), states), overChannels(stepOf(c, t), channels)), from);
      return [
        subtract(t, index(1)),
        multiply(decay(stepOf(delta, t), a), g),
        putStep(buffer, g, t),
        ...[dy, c, delta, a],
      ];
    },
  );
  return [result[1] as Node, result[2] as Node];
}

/** Gradients of x, delta, a, b and c, with time first and a [N, D]; the skip is not in them. */
function backward(inputs: Inputs, starts: Node, dY: Node, sizes: Sizes): Inputs {
  const { batch, channels, states: n, chunk, chunks } = sizes;
  const time = chunks * chunk;
  const { x, delta, a, b, c } = inputs;
  const result = whileLoop(
    [
      index(chunks - 1),
      zeros(batch, n, channels),
      ...[zeros(time, batch, channels), zeros(time, batch, channels), zeros(n, channels)],
      ...[zeros(time, batch, n), zeros(time, batch, n)],
      ...[starts, dY, x, delta, a, b, c],
    ],
    ([k]) => compare('GE', k as Node, index(0)),
    (state) => {
      const [k, carry, dX, dDelta, dA, dB, dC, states, dOut, ...all] = state as [
        ...[Node, Node, Node, Node, Node, Node, Node, Node, Node],
        ...Node[],
      ];
      const at = multiply(k, index(chunk));
      const part = chunkInputs(all, at, sizes);
      const dy = chunkOf(dOut, at, sizes);
      const [, decayed] = runChunk(stepOf(states, k), part, sizes, 'decayed');
      const [next, g] = runBackwards(carry, part, dy, sizes);
      const scaled = multiply(part.delta, part.x); // [chunk, B, D]
      const sumStates = (terms: Node): Node => reduce('add', terms, 0, [2]); // -> [chunk, B, D]
      const gB = sumStates(multiply(g, overChannels(part.b, channels)));
      const gDecayed = multiply(g, decayed);
      // c_t meets h_t = decayed + delta x b, whose second part is b times a sum over channels.
      const inner = reduce('add', multiply(dy, scaled), 0, [2]); // [chunk, B]
      const partC = add(sumChannels(decayed, dy), multiply(part.b, broadcastInDim(inner, part.b.shape, [0, 1])));
      const partDelta = add(sumStates(multiply(gDecayed, broadcastTo(part.a, g.shape))), multiply(gB, part.x));
      const partA = reduce('add', multiply(gDecayed, overStates(part.delta, n)), 0, [0, 1]);
      return [
        subtract(k, index(1)),
        next,
        putChunk(dX, multiply(part.delta, gB), at),
        putChunk(dDelta, partDelta, at),
        add(dA, partA),
        putChunk(dB, sumChannels(g, scaled), at),
        putChunk(dC, partC, at),
        ...[states, dOut],
        ...all,
      ];
    },
  );
  const [dX, dDelta, dA, dB, dC] = result.slice(2, 7) as [Node, Node, Node, Node, Node];
  return { x: dX, delta: dDelta, a: dA, b: dB, c: dC };
}

function read(call: KernelCall): { inputs: Inputs; sizes: Sizes } {
  const { chunk } = call.attrs<{ chunk: number }>();
  const [batch, time, channels] = call.node('x').shape as [number, number, number];
  const states = call.node('a').shape[1] as number;
  const sizes = { batch, time, channels, states, chunk, chunks: Math.ceil(time / chunk) };
  const [x, delta, b, c] = ['x', 'delta', 'b', 'c'].map((name) => timeFirst(call.node(name), sizes)) as [
    ...[Node, Node, Node, Node],
  ];
  return { inputs: { x, delta, b, c, a: transpose(call.node('a'), [1, 0]) }, sizes };
}

/** See the file header. */
export const selectiveScans: Lowerings = {
  SelectiveScan: (call) => {
    const own = selectiveScanOf(call);
    if (own !== undefined) return own;
    const { inputs, sizes } = read(call);
    const { y, states } = forward(inputs, sizes);
    const scanned = batchFirst(y, sizes);
    const x = call.node('x');
    return [
      call.has('skip') ? add(scanned, multiply(broadcastTo(call.node('skip'), x.shape), x)) : scanned,
      transpose(states, [1, 0, 3, 2]), // [K, B, N, D] -> [B, K, D, N]
    ];
  },
  SelectiveScanGrad: (call) => {
    const own = selectiveScanGradientOf(call);
    if (own !== undefined) return own;
    const { inputs, sizes } = read(call);
    const [dY, x] = [call.node('dY'), call.node('x')];
    const states = transpose(call.node('states'), [1, 0, 3, 2]);
    const gradients = backward(inputs, states, timeFirst(dY, sizes), sizes);
    const [dX, dDelta, dB, dC] = (['x', 'delta', 'b', 'c'] as const).map((name) =>
      batchFirst(gradients[name], sizes),
    ) as [Node, Node, Node, Node];
    const dA = transpose(gradients.a, [1, 0]);
    if (!call.has('skip')) return [dX, dDelta, dA, dB, dC];
    const direct = multiply(broadcastTo(call.node('skip'), x.shape), dY);
    return [add(dX, direct), dDelta, dA, dB, dC, reduce('add', multiply(dY, x), 0, [0, 1])];
  },
};
