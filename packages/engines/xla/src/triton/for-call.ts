/** The own kernel for a kernel call of TensorFlow.js, or nothing where it does not fit: lowerings then take their StableHLO form. */
import { currentPrecision } from '@tesserae/tensor';
import type { Node } from '../graph/node.ts';
import type { KernelCall } from '../lowering/kernel.ts';
import { attention, attentionFits, attentionGradient } from './attention-calls.ts';
import type { AttentionAttributes, AttentionInputs } from './attention-calls.ts';
import { kernelPlatform } from './kernel-platform.ts';
import {
  linearCrossEntropy,
  linearCrossEntropyFits,
  linearCrossEntropyGradient,
} from './linear-cross-entropy-calls.ts';
import type { LinearInputs } from './linear-cross-entropy-calls.ts';
import { selectiveScan, selectiveScanFits, selectiveScanGradient } from './selective-scan-calls.ts';
import type { ScanInputs } from './selective-scan-calls.ts';
import { crossEntropy, crossEntropyFits } from './softmax-cross-entropy.ts';

const optional = (call: KernelCall, name: string): Node | undefined => (call.has(name) ? call.node(name) : undefined);

function attentionInputs(call: KernelCall): AttentionInputs | undefined {
  const inputs = {
    query: call.node('query'),
    key: call.node('key'),
    value: call.node('value'),
    mask: optional(call, 'mask'),
  };
  const fits = attentionFits(kernelPlatform(call), inputs, call.attrs<AttentionAttributes>());
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

/** `SoftmaxCrossEntropy`: loss and logSumExp. */
export function crossEntropyOf(call: KernelCall): Node[] | undefined {
  const logits = call.node('logits');
  return crossEntropyFits(kernelPlatform(call), logits) ? crossEntropy(logits, call.node('labels')) : undefined;
}

function linearInputs(call: KernelCall): LinearInputs | undefined {
  const inputs = {
    features: call.node('features'),
    weight: call.node('weight'),
    bias: optional(call, 'bias'),
    labels: call.node('labels'),
  };
  return linearCrossEntropyFits(kernelPlatform(call), inputs) ? inputs : undefined;
}

/** `LinearCrossEntropy`: loss and logSumExp. */
export function linearCrossEntropyOf(call: KernelCall): Node[] | undefined {
  const inputs = linearInputs(call);
  return inputs && linearCrossEntropy(inputs, currentPrecision());
}

/** `LinearCrossEntropyGrad`: gradients of features, weight and, if there is one, bias. */
export function linearCrossEntropyGradientOf(call: KernelCall): Node[] | undefined {
  const inputs = linearInputs(call);
  const saved = { logSumExp: call.node('logSumExp'), dLoss: call.node('dLoss') };
  return inputs && linearCrossEntropyGradient({ ...inputs, ...saved }, currentPrecision());
}

function scanInputs(call: KernelCall): ScanInputs | undefined {
  const inputs = {
    x: call.node('x'),
    delta: call.node('delta'),
    a: call.node('a'),
    b: call.node('b'),
    c: call.node('c'),
    skip: optional(call, 'skip'),
  };
  return selectiveScanFits(kernelPlatform(call), inputs, chunkOf(call)) ? inputs : undefined;
}

const chunkOf = (call: KernelCall): number => call.attrs<{ chunk: number }>().chunk;

/** `SelectiveScan`: y and the states at the chunks' starts. */
export function selectiveScanOf(call: KernelCall): Node[] | undefined {
  const inputs = scanInputs(call);
  return inputs && selectiveScan(inputs, chunkOf(call));
}

/** `SelectiveScanGrad`: gradients of all inputs. */
export function selectiveScanGradientOf(call: KernelCall): Node[] | undefined {
  const inputs = scanInputs(call);
  return (
    inputs && selectiveScanGradient({ ...inputs, starts: call.node('states'), dY: call.node('dY') }, chunkOf(call))
  );
}
