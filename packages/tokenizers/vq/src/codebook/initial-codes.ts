/** Codes before the first step, drawn from the ambient key. */
import { random } from '@tesserae/tensor';
import type { tf } from '@tesserae/tensor';
import type { CodebookConfig } from './codebook.ts';
import { normalise } from './normalise.ts';

/**
 * float32 `[K, D]`, at unit length in cosine mode.
 *
 * K-means needs latents, which there are none of yet: until `prepare` these codes are uniform too.
 */
export function initialCodes({ size, dim, cosine, init }: CodebookConfig): tf.Tensor2D {
  const key = random.next();
  let codes: tf.Tensor;
  if (init.kind === 'normal') {
    codes = random.normal(key, [size, dim], { std: init.std ?? 1 });
  } else {
    const bound = (init.kind === 'uniform' ? init.bound : undefined) ?? 1 / size;
    codes = random.uniform(key, [size, dim], { min: -bound, max: bound });
  }
  return (cosine ? normalise(codes) : codes) as tf.Tensor2D;
}
