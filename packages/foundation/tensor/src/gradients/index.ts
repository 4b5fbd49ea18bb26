/**
 * Registers the gradients that TensorFlow.js needs for training.
 *
 * In Node, `@tensorflow/tfjs-core` resolves to a bundle without gradients, and its own gradient modules cannot be
 * imported there. So the rules are written here, from the mathematics, and entered into the one copy of the registry.
 */
import * as tf from '@tensorflow/tfjs-core';
import { activationGradients } from './activation.ts';
import { binaryGradients } from './binary.ts';
import { convolutionGradients } from './convolution.ts';
import { cumulativeGradients } from './cumulative.ts';
import { einsumGradients } from './einsum.ts';
import { fftGradients } from './fft.ts';
import { matmulGradients } from './matmul.ts';
import { normalizationGradients } from './normalization.ts';
import { poolingGradients } from './pooling.ts';
import { reductionGradients } from './reduction.ts';
import { resizeGradients } from './resize.ts';
import { segmentGradients } from './segment.ts';
import { shapeGradients } from './shape.ts';
import { unaryGradients } from './unary.ts';

/** Every rule, by family. */
export const gradients: readonly tf.GradConfig[] = [
  ...unaryGradients,
  ...binaryGradients,
  ...reductionGradients,
  ...shapeGradients,
  ...activationGradients,
  ...matmulGradients,
  ...convolutionGradients,
  ...segmentGradients,
  ...poolingGradients,
  ...normalizationGradients,
  ...resizeGradients,
  ...cumulativeGradients,
  ...einsumGradients,
  ...fftGradients,
];

/** Enters every rule whose kernel has no gradient yet. Calling it again does nothing. */
export function registerGradients(): void {
  for (const rule of gradients) {
    if (tf.getGradient(rule.kernelName) === undefined) tf.registerGradient(rule);
  }
}
