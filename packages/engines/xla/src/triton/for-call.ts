/** The own kernel for a kernel call of TensorFlow.js, or nothing where it does not fit: lowerings then take their StableHLO form. */
import { currentPrecision } from '@tesserae/tensor';
import type { Node } from '../graph/node.ts';
import type { KernelCall } from '../lowering/kernel.ts';
import { attention, attentionFits, attentionGradient } from './attention-calls.ts';
import type { AttentionAttributes, AttentionInputs } from './attention-calls.ts';
import { kernelPlatform } from './kernel-platform.ts';

const optional = (call: KernelCall, name: string): Node | undefined => (call.has(name) ? call.node(name) : undefined);

function attentionInputs(call: KernelCall): AttentionInputs | undefined {
  const inputs = {
    query: call.node('query'),
    key: call.node('key'),
    value: call.node('value'),
    mask: optional(call, 'mask'),
  };
  const fits = attentionFits(kernelPlatform(call.backend), inputs, call.attrs<AttentionAttributes>());
  return fits ? inputs : undefined;
}

/** `FlashAttention`: out and logSumExp. */
export function attentionOf(call: KernelCall): Node[] | undefined {
  const inputs = attentionInputs(call);
  return inputs && attention(inputs, call.attrs<AttentionAttributes>(), currentPrecision());
}

/** `FlashAttentionGrad`: gradients of query, key and value. */
export function attentionGradientOf(call: KernelCall): Node[] | undefined {
  const inputs = attentionInputs(call);
  if (inputs === undefined) return undefined;
  const saved = { out: call.node('out'), logSumExp: call.node('logSumExp'), dOut: call.node('dOut') };
  return attentionGradient({ ...inputs, ...saved }, call.attrs<AttentionAttributes>(), currentPrecision());
}

