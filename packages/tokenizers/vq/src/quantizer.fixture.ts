/** Quantizers and latents that the tests of this package share. */
import { random, tf } from '@tesserae/tensor';
import type { EmaCodebook } from './codebook/ema-codebook.ts';
import { VectorQuantizer } from './vector-quantizer.ts';
import type { VectorQuantizerConfig } from './vector-quantizer.ts';

/** No tolerance: the same bits. */
export const exact: { atol: number; rtol: number } = { atol: 0, rtol: 0 };

/** A quantizer of two codes of width two, unless told otherwise. */
export function create(config: Partial<VectorQuantizerConfig> = {}): VectorQuantizer {
  return random.withKey(random.key(1), () => new VectorQuantizer({ dim: 2, codebookSize: 2, ...config }));
}

/** A quantizer with the given codes, and M = E, N = 1. */
export function withCodes(codes: number[][], config: Partial<VectorQuantizerConfig> = {}): VectorQuantizer {
  const quantizer = create({
    dim: codes[0]?.length ?? 1,
    codebookSize: codes.length,
    codebook: { kind: 'ema', decay: 0.9, revival: false },
    ...config,
  });
  const vectors = tf.tensor2d(codes);
  quantizer.codebook.vectors.assign(vectors);
  const { embedSum } = quantizer.codebook as unknown as Partial<EmaCodebook>;
  if (embedSum) embedSum.assign(vectors.clone());
  vectors.dispose();
  return quantizer;
}

/** The codebook of a quantizer whose policy is `ema`. */
export const ema = (quantizer: VectorQuantizer): EmaCodebook => quantizer.codebook as EmaCodebook;

/** Distinct points around well separated centres. */
export function blobs(count: number, dim: number, centres: number, seed: number): tf.Tensor2D {
  return tf.tidy(() => {
    const places = random.normal(random.key(seed), [centres, dim], { std: 5 });
    const which = random.randint(random.key(seed + 1), [count], { min: 0, max: centres });
    return tf.gather(places, which).add(random.normal(random.key(seed + 2), [count, dim], { std: 0.3 })) as tf.Tensor2D;
  });
}
