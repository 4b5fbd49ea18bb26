/** Batch normalisation with given statistics, and local response normalisation. */
import { apply, applyScalar } from '../graph/broadcast.ts';
import { divide, multiply, reduceWindow, subtract, unary, binary, constant } from '../graph/hlo.ts';
import type { Node } from '../graph/node.ts';
import type { KernelCall, Lowerings } from './kernel.ts';

function batchNorm(call: KernelCall): Node {
  const { varianceEpsilon } = call.attrs<{ varianceEpsilon: number | null | undefined }>();
  const deviation = unary('sqrt', applyScalar('add', call.node('variance'), varianceEpsilon ?? 0.001));
  const centered = apply('subtract', call.node('x'), call.node('mean'));
  const scaled = call.has('scale') ? apply('multiply', centered, call.node('scale')) : centered;
  const normalized = apply('divide', scaled, deviation);
  return call.has('offset') ? apply('add', normalized, call.node('offset')) : normalized;
}

interface ResponseAttributes {
  readonly depthRadius: number;
  readonly bias: number;
  readonly alpha: number;
  readonly beta: number;
}

/** Sums over the channels within `radius` of each: x [B, H, W, C] -> [B, H, W, C]. */
function neighbourSum(x: Node, radius: number): Node {
  return reduceWindow('add', x, 0, {
    size: [1, 1, 1, 2 * radius + 1],
    strides: [1, 1, 1, 1],
    padding: [
      [0, 0],
      [0, 0],
      [0, 0],
      [radius, radius],
    ],
  });
}

/** bias + alpha * sum of squares around each channel. */
function responseBase(x: Node, { depthRadius, bias, alpha }: ResponseAttributes): Node {
  return applyScalar('add', applyScalar('multiply', neighbourSum(multiply(x, x), depthRadius), alpha), bias);
}

const power = (x: Node, exponent: number): Node => binary('power', x, constant(exponent, x.type, x.shape));

/** y = x n^-beta, so dx = dy n^-beta - 2 alpha beta x * neighbourSum(dy y / n). */
function responseGradient(call: KernelCall): Node {
  const a = call.attrs<ResponseAttributes>();
  const [x, y, dy] = [call.node('x'), call.node('y'), call.node('dy')];
  const base = responseBase(x, a);
  const around = neighbourSum(divide(multiply(dy, y), base), a.depthRadius);
  return subtract(
    multiply(dy, power(base, -a.beta)),
    applyScalar('multiply', multiply(x, around), 2 * a.alpha * a.beta),
  );
}

/** See the file header. */
export const normalization: Lowerings = {
  FusedBatchNorm: batchNorm,
  LRN: (call) => {
    const a = call.attrs<ResponseAttributes>();
    const x = call.node('x');
    return multiply(x, power(responseBase(x, a), -a.beta));
  },
  LRNGrad: responseGradient,
};
