/** The cross entropy of a linear layer as functions of nodes, with the contract of `LinearCrossEntropy` and its gradient. */
import type { Precision } from '@tesserae/tensor';
import { applyScalar, broadcastTo } from '../graph/broadcast.ts';
import {
  add,
  concatenate,
  constant,
  convert,
  dotGeneral,
  multiply,
  pad,
  reduce,
  slice,
  subtract,
  transpose,
  unary,
} from '../graph/hlo.ts';
import type { Node } from '../graph/node.ts';
import { blocksOf, tritonCall } from './custom-call.ts';
import { halfPair } from './half-pairs.ts';
import { linearCrossEntropyKernel, logitGradientKernel } from './linear-cross-entropy.ts';
import type { LinearShape, ProductTiling } from './linear-cross-entropy.ts';

/** features [N, D], weight [D, V], bias [V] of f32 and labels i32 [N]. */
export interface LinearInputs {
  readonly features: Node;
  readonly weight: Node;
  readonly bias?: Node | undefined;
  readonly labels: Node;
}

/** Tilings of the two kernels. */
export interface LinearTilings {
  readonly forward: ProductTiling;
  readonly gradient: ProductTiling;
}

/** Programs that one kernel should have, so that a large GPU is busy. */
const programs = 264;
/** Bytes of dLogits that exist at once: what stays in the second-level cache or little more. */
const chunkBytes = 2 ** 26;

/** The tilings that were fastest on an H100, see docs/log.md. */
function linearTilings(precision: Precision): LinearTilings {
  const tiling =
    precision === 'bfloat16'
      ? { rows: 128, columns: 256, inner: 64, warps: 8, stages: 3 }
      : { rows: 128, columns: 128, inner: 32, warps: 8, stages: 3 };
  return { forward: tiling, gradient: tiling };
}

/** Whether the kernels take the call: CUDA, f32 operands whose elements i32 can count. */
export function linearCrossEntropyFits(platform: string, { features, weight, bias }: LinearInputs): boolean {
  const nodes = [features, weight, ...(bias ? [bias] : [])];
  return platform === 'cuda' && nodes.every(({ type, size }) => type === 'f32' && size > 0 && size < 2 ** 30);
}

/** Rows of values as the kernels take them; `inner` divides the padded width. */
function factor(x: Node, inner: number, precision: Precision): Node[] {
  const [, width] = x.shape as [number, number];
  const wide = pad(x, constant(0, 'f32'), [0, 0], [0, blocksOf(width, inner) * inner - width]);
  if (precision === 'tf32') return [wide];
  if (precision === 'bfloat16') return [convert(wide, 'bf16')];
  const { high, low, unit } = halfPair(wide);
  return [high, low, unit];
}

const shapeOf = (features: Node, vocabulary: number, bias: Node | undefined, inner: number): LinearShape => ({
  rows: features.shape[0] as number,
  width: blocksOf(features.shape[1] as number, inner) * inner,
  vocabulary,
  bias: bias !== undefined,
});

/** @returns loss [N] and logSumExp [N]. Ask {@link linearCrossEntropyFits} first. */
export function linearCrossEntropy(
  { features, weight, bias, labels }: LinearInputs,
  precision: Precision,
  tilings?: LinearTilings,
): [Node, Node] {
  const tiling = (tilings ?? linearTilings(precision)).forward;
  const [, vocabulary] = weight.shape as [number, number];
  const shape = shapeOf(features, vocabulary, bias, tiling.inner);
  const { rows } = shape;
  const lineBlocks = blocksOf(rows, tiling.rows);
  const tiles = blocksOf(vocabulary, tiling.columns);
  const share = blocksOf(tiles, Math.min(tiles, blocksOf(programs, lineBlocks))) * tiling.columns;
  const shares = blocksOf(vocabulary, share);
  const kernel = linearCrossEntropyKernel(shape, tiling, share, precision);
  const operands = [
    ...factor(features, tiling.inner, precision),
    ...factor(transpose(weight, [1, 0]), tiling.inner, precision),
    ...(bias ? [bias] : []),
    labels,
  ];
  const result = { type: 'f32' as const, shape: [shares, rows] };
  const launch = { kernel, grid: [lineBlocks, shares, 1] as const, warps: tiling.warps, stages: tiling.stages };
  const [maxima, sums, hits] = tritonCall(launch, operands, [result, result, result]) as [Node, Node, Node];
  const highest = reduce('maximum', maxima, -Infinity, [0]); // [N]
  const relative = subtract(maxima, broadcastTo(highest, maxima.shape));
  const total = reduce(
    'add',
    multiply(sums, unary('exponential', applyScalar('multiply', relative, Math.LN2))),
    0,
    [0],
  );
  const logSumExp = add(applyScalar('multiply', highest, Math.LN2), unary('log', total));
  const hit = applyScalar('multiply', reduce('add', hits, 0, [0]), Math.LN2);
  return [subtract(logSumExp, hit), logSumExp];
}

/** What the backward pass gets besides the inputs, [N] each. */
export interface LinearGradientInputs extends LinearInputs {
  readonly logSumExp: Node;
  readonly dLoss: Node;
}

/** @returns gradients of features, weight and, if there is one, bias. Ask {@link linearCrossEntropyFits} first. */
export function linearCrossEntropyGradient(
  { features, weight, bias, labels, logSumExp, dLoss }: LinearGradientInputs,
  precision: Precision,
  tilings?: LinearTilings,
): Node[] {
  const tiling = (tilings ?? linearTilings(precision)).gradient;
  const [dim, vocabulary] = weight.shape as [number, number];
  const [rows] = features.shape as [number];
  const element = precision === 'bfloat16' ? 'bf16' : 'f32';
  const exactness = precision === 'float32' ? 'HIGHEST' : 'DEFAULT';
  const most = Math.max(1, Math.floor(chunkBytes / (rows * (element === 'bf16' ? 2 : 4)) / tiling.columns));
  const chunk = most * tiling.columns;
  const left = factor(features, tiling.inner, precision);
  const narrowFeatures = convert(features, element);
  const dWeights: Node[] = [];
  const dBiases: Node[] = [];
  let dFeatures = constant(0, 'f32', features.shape);
  for (let first = 0; first < vocabulary; first += chunk) {
    const end = Math.min(vocabulary, first + chunk);
    const words = slice(weight, [0, first], [dim, end]); // [D, C]
    const shape = shapeOf(features, end - first, bias, tiling.inner);
    const [dLogits] = tritonCall(
      {
        kernel: logitGradientKernel(shape, tiling, precision),
        grid: [blocksOf(rows, tiling.rows), blocksOf(end - first, tiling.columns), 1],
        warps: tiling.warps,
        stages: tiling.stages,
      },
      [
        ...left,
        ...factor(transpose(words, [1, 0]), tiling.inner, precision),
        ...(bias ? [slice(bias, [first], [end])] : []),
        applyScalar('subtract', labels, first),
        logSumExp,
        dLoss,
      ],
      [{ type: element, shape: [rows, end - first] }],
    ) as [Node];
    const contract = (lhs: number, rhs: number) => ({
      lhsBatch: [],
      rhsBatch: [],
      lhsContract: [lhs],
      rhsContract: [rhs],
    });
    dFeatures = add(dFeatures, dotGeneral(dLogits, convert(words, element), contract(1, 1), exactness, 'f32'));
    dWeights.push(dotGeneral(narrowFeatures, dLogits, contract(0, 0), exactness, 'f32'));
    if (bias) dBiases.push(reduce('add', convert(dLogits, 'f32'), 0, [0]));
  }
  return [dFeatures, concatenate(dWeights, 1), ...(bias ? [concatenate(dBiases, 0)] : [])];
}
