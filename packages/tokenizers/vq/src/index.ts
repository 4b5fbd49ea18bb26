/** Vector-quantized tokenizers: quantizers to put between any encoder and decoder, and a complete image tokenizer. */
export { VectorQuantizer } from './vector-quantizer.ts';
export type { VectorQuantizeOptions, VectorQuantizerConfig } from './vector-quantizer.ts';
export { FSQ } from './fsq.ts';
export type { FSQConfig } from './fsq.ts';
export { createQuantizer } from './quantizers.ts';
export type { QuantizerConfig } from './quantizers.ts';
export type {
  CodebookInit,
  CodebookPolicy,
  EmaPolicy,
  FrozenPolicy,
  LearnedPolicy,
  Revival,
} from './codebook/policy.ts';
export { Codebook } from './codebook/codebook.ts';
export type { CodebookConfig, Observation } from './codebook/codebook.ts';
export { createCodebook } from './codebook/create-codebook.ts';
export { kmeans } from './codebook/kmeans.ts';
export type { KMeans, KMeansOptions } from './codebook/kmeans.ts';
export type { Estimator } from './estimators/estimator.ts';
export { rotationTrick } from './estimators/rotation.ts';
export { straightThrough } from './estimators/straight-through.ts';
export { codebookLoss, commitmentLoss } from './regularisers/commitment.ts';
export { orthogonalityLoss } from './regularisers/orthogonality.ts';
export { VQVAE } from './vqvae/vqvae.ts';
export type { CompleteVQVAEConfig, VQVAEConfig } from './vqvae/config.ts';
export { tokenizer } from './vqvae/factory.ts';
