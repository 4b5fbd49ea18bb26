/** The transformer blocks of `ImageGPT`, as its switches and its profile say. */
import { type Initializer, init, TransformerBlock } from '@tesserae/nn';
import type { ResolvedConfig } from './config.ts';

/** Block number `layer`: the profile's norm, branches and initial weights, with drop-path growing from 0. */
export function createBlock(config: ResolvedConfig, layer: number): TransformerBlock {
  const { dim, heads, kvHeads, hidden, switches, dropout, dropPath, layers, normEpsilon, profile } = config;
  const weights: Initializer = profile === 'fairseq' ? init.xavierUniform() : init.normal(0.02);
  return new TransformerBlock({
    dim,
    heads,
    kvHeads,
    norm: switches.norm,
    epsilon: normEpsilon,
    placement: switches.placement,
    bias: switches.bias,
    feedForward: { kind: switches.feedForward, hidden },
    dropout: dropout.residual,
    dropPath: layers > 1 ? (dropPath * layer) / (layers - 1) : dropPath,
    init: weights,
  });
}
