/**
 * Gradient estimators: how the gradient at a code reaches the latent that chose it. The forward value is always the
 * code. A further one (directional, Gumbel) is one file beside this and one line in the list below.
 */
import type { tf } from '@tesserae/tensor';
import { rotationTrick } from './rotation.ts';
import { straightThrough } from './straight-through.ts';

/** Latents and codes, both `[N, D]`, to codes with a gradient to the latents, `[N, D]`. */
export type EstimatorFunction = (latents: tf.Tensor2D, codes: tf.Tensor2D) => tf.Tensor2D;

/** Name of an estimator. `rotation` needs codes of two or more dimensions. */
export type Estimator = 'straight-through' | 'rotation';

/** The estimators by name. */
export const estimators: Readonly<Record<Estimator, EstimatorFunction>> = {
  'straight-through': straightThrough,
  rotation: rotationTrick,
};
