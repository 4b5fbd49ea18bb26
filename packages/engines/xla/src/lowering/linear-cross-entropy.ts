/**
 * Cross entropy under the logits of a linear layer, by tiles of rows and vocabulary (Wijmans et al., arXiv:2411.09009).
 *
 * LinearCrossEntropy { features [N, D], weight [D, V], bias? [V], labels i32 [N] } -> [loss [N], logSumExp [N]] carries a
 * running maximum, sum and label's logit of every row; LinearCrossEntropyGrad { ..., logSumExp, dLoss [N] } ->
 * [dFeatures, dWeight, dBias?] computes each tile of logits again. Nothing of size N V exists.
 */
import { broadcastTo } from '../graph/broadcast.ts';
import {
  add,
  binary,
  broadcastInDim,
  clamp,
  compare,
  constant,
  dotGeneral,
  dynamicSlice,
  dynamicUpdateSlice,
  maximum,
  multiply,
  pad,
  reduce,
  reshape,
  select,
  slice,
  subtract,
  transpose,
  unary,
} from '../graph/hlo.ts';
import { index, whileLoop } from '../graph/loop.ts';
import type { Node } from '../graph/node.ts';
import { linearCrossEntropyGradientOf, linearCrossEntropyOf } from '../triton/for-call.ts';
import { logitGradient, perRow, pick } from './cross-entropy.ts';
import { productOperands } from './kernel.ts';
import type { KernelCall, Lowerings } from './kernel.ts';
import { evenTile, lengthen, lowest } from './tiles.ts';

/** Rows and columns of a tile of logits. */
interface LogitTile {
  readonly rows: number;
  readonly columns: number;
}

/** Inputs of both kernels. */
interface LinearHead {
  readonly features: Node;
  readonly weight: Node;
  readonly bias: Node | undefined;
  readonly labels: Node;
}

/** Logits of a tile. */
const tileElements = { cpu: 2 ** 20, device: 2 ** 26 } as const;

/**
 * On 2 cores a step of 2048 x 256 features with 32768 classes takes 720 ms by tiles of 1024 x 1024, 739 of 2048 x 512, 838
 * of 512 x 1024 and 1321 of 128 whole rows; with all logits in memory, and not computed twice, 713.
 */
function tileOf(rows: number, vocabulary: number, platform: string): LogitTile {
  const elements = platform === 'cpu' ? tileElements.cpu : tileElements.device;
  const tall = evenTile(rows, 2048);
  return { rows: tall, columns: evenTile(vocabulary, Math.max(128, Math.floor(elements / tall))) };
}

/** a [n, k] with b, contracted over a dimension of b. */
function product(a: Node, b: Node, contract: 0 | 1): Node {
  const dims = { lhsBatch: [], rhsBatch: [], lhsContract: [1], rhsContract: [contract] };
  const operands = productOperands(a, b);
  return dotGeneral(operands.a, operands.b, dims, operands.precision, 'f32');
}

/** Padded to whole tiles. Columns beyond the vocabulary get the bias -Infinity: no weight, no gradient. */
function padded(head: LinearHead, tile: LogitTile): { counts: [number, number]; nodes: [Node, Node, Node, ...Node[]] } {
  const [rows, vocabulary] = [head.features.shape[0] as number, head.weight.shape[1] as number];
  const counts: [number, number] = [Math.ceil(rows / tile.rows), Math.ceil(vocabulary / tile.columns)];
  const [tall, wide] = [counts[0] * tile.rows, counts[1] * tile.columns];
  const bias = head.bias ?? (wide > vocabulary ? constant(0, 'f32', [vocabulary]) : undefined);
  const biases = bias === undefined ? [] : [pad(bias, constant(-Infinity, 'f32'), [0], [wide - vocabulary])];
  return {
    counts,
    nodes: [
      lengthen(head.features, 0, tall),
      lengthen(head.weight, 1, wide),
      lengthen(head.labels, 0, tall),
      ...biases,
    ],
  };
}

/** Where a turn of the loop works: i32 scalars. */
interface Place {
  readonly row: Node;
  readonly column: Node;
}

const placeOf = (turn: Node, counts: readonly [number, number], tile: LogitTile): Place => ({
  row: multiply(binary('remainder', turn, index(counts[0])), index(tile.rows)),
  column: multiply(binary('divide', turn, index(counts[0])), index(tile.columns)),
});

/** Weight, labels counted from the tile's first column, and logits of a tile. */
function tileInputs(nodes: readonly Node[], tile: LogitTile, at: Place) {
  const [allFeatures, allWeights, allLabels, allBiases] = nodes as [Node, Node, Node, Node?];
  const dim = allFeatures.shape[1] as number;
  const features = dynamicSlice(allFeatures, [at.row, index(0)], [tile.rows, dim]);
  const weight = dynamicSlice(allWeights, [index(0), at.column], [dim, tile.columns]);
  const labels = subtract(
    dynamicSlice(allLabels, [at.row], [tile.rows]),
    broadcastTo(reshape(at.column, [1]), [tile.rows]),
  );
  let logits = product(features, weight, 0);
  if (allBiases !== undefined) {
    const bias = dynamicSlice(allBiases, [at.column], [tile.columns]);
    logits = add(logits, broadcastInDim(bias, logits.shape, [1]));
  }
  return { weight, labels, logits };
}

/** [loss, logSumExp]. */
function linearCrossEntropy(head: LinearHead, tile: LogitTile): [Node, Node] {
  const rows = head.features.shape[0] as number;
  const { counts, nodes } = padded(head, tile);
  const tall = [counts[0] * tile.rows];
  const state = whileLoop(
    [index(0), constant(lowest, 'f32', tall), constant(0, 'f32', tall), constant(0, 'f32', tall), ...nodes],
    ([turn]) => compare('LT', turn as Node, index(counts[0] * counts[1])),
    (current) => {
      const [turn, allLargest, allSums, allPicked, ...fixed] = current as [Node, Node, Node, Node, ...Node[]];
      const at = placeOf(turn, counts, tile);
      const { labels, logits } = tileInputs(fixed, tile, at);
      const part = (x: Node): Node => dynamicSlice(x, [at.row], [tile.rows]);
      const largest = part(allLargest);
      const next = maximum(largest, reduce('maximum', logits, -Infinity, [1]));
      const weights = unary('exponential', subtract(logits, perRow(next, logits.shape)));
      const sum = add(
        multiply(part(allSums), unary('exponential', subtract(largest, next))),
        reduce('add', weights, 0, [1]),
      );
      const inside = clamp(index(0), labels, index(tile.columns - 1));
      const zero = constant(0, 'f32', [tile.rows]);
      const found = select(compare('EQ', inside, labels), pick(logits, inside), zero);
      const put = (all: Node, value: Node): Node => dynamicUpdateSlice(all, value, [at.row]);
      return [
        add(turn, index(1)),
        put(allLargest, next),
        put(allSums, sum),
        put(allPicked, add(part(allPicked), found)),
        ...fixed,
      ];
    },
  );
  const [largest, sum, picked] = state.slice(1, 4).map((x) => slice(x, [0], [rows])) as [Node, Node, Node];
  const logSumExp = add(largest, unary('log', sum));
  return [subtract(logSumExp, picked), logSumExp];
}

/** [dFeatures, dWeight, dBias?]. */
function linearCrossEntropyGradient(
  head: LinearHead,
  logSumExp: Node,
  dLoss: Node,
  tile: LogitTile,
): [Node, Node, ...Node[]] {
  const [rows, dim] = head.features.shape as [number, number];
  const vocabulary = head.weight.shape[1] as number;
  const { counts, nodes } = padded(head, tile);
  const [tall, wide] = [counts[0] * tile.rows, counts[1] * tile.columns];
  const state = whileLoop(
    [
      index(0),
      constant(0, 'f32', [tall, dim]),
      constant(0, 'f32', [dim, wide]),
      constant(0, 'f32', [wide]),
      lengthen(logSumExp, 0, tall),
      lengthen(dLoss, 0, tall),
      // The left operand of a product is fastest on XLA's CPU where it is contracted over its last dimension.
      transpose(nodes[0], [1, 0]),
      ...nodes,
    ],
    ([turn]) => compare('LT', turn as Node, index(counts[0] * counts[1])),
    (current) => {
      const [turn, dFeatures, dWeight, dBias, ...fixed] = current as [Node, Node, Node, Node, ...Node[]];
      const at = placeOf(turn, counts, tile);
      const { weight, labels, logits } = tileInputs(fixed.slice(3), tile, at);
      const across = dynamicSlice(fixed[2] as Node, [index(0), at.row], [dim, tile.rows]);
      const part = (x: Node): Node => dynamicSlice(x, [at.row], [tile.rows]);
      const error = logitGradient(logits, labels, part(fixed[0] as Node), part(fixed[1] as Node));
      const accumulate = (all: Node, start: Node[], value: Node): Node =>
        dynamicUpdateSlice(all, add(dynamicSlice(all, start, value.shape), value), start);
      return [
        add(turn, index(1)),
        accumulate(dFeatures, [at.row, index(0)], product(error, weight, 1)),
        accumulate(dWeight, [index(0), at.column], product(across, error, 0)),
        head.bias === undefined ? dBias : accumulate(dBias, [at.column], reduce('add', error, 0, [0])),
        ...fixed,
      ];
    },
  );
  return [
    slice(state[1] as Node, [0, 0], [rows, dim]),
    slice(state[2] as Node, [0, 0], [dim, vocabulary]),
    ...(head.bias === undefined ? [] : [slice(state[3] as Node, [0], [vocabulary])]),
  ];
}

function read(call: KernelCall): { head: LinearHead; tile: LogitTile } {
  const [features, weight, labels] = [call.node('features'), call.node('weight'), call.node('labels')];
  const head = { features, weight, labels, bias: call.has('bias') ? call.node('bias') : undefined };
  const tile = tileOf(features.shape[0] as number, weight.shape[1] as number, call.backend.client.platform);
  return { head, tile };
}

/** See the file header. */
export const linearCrossEntropies: Lowerings = {
  LinearCrossEntropy: (call) => {
    const own = linearCrossEntropyOf(call);
    if (own !== undefined) return own;
    const { head, tile } = read(call);
    return linearCrossEntropy(head, tile);
  },
  LinearCrossEntropyGrad: (call) => {
    const own = linearCrossEntropyGradientOf(call);
    if (own !== undefined) return own;
    const { head, tile } = read(call);
    return linearCrossEntropyGradient(head, call.node('logSumExp'), call.node('dLoss'), tile);
  },
};
