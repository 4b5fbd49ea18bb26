/** @tesserae/nn: modules, layers, initialisers and optimizers. */
export { Module, StateMismatchError, type LoadOptions } from './module.ts';
export { buffer, parameter, type ParameterOptions } from './parameter.ts';
export * as init from './initializers.ts';
export type { Initializer } from './initializers.ts';
export type { CallOptions, Layer } from './layer.ts';

export { Linear, type LinearConfig } from './layers/linear.ts';
export { Conv2d, type Conv2dConfig, type Pair } from './layers/conv2d.ts';
export { ConvTranspose2d, type ConvTranspose2dConfig } from './layers/conv-transpose2d.ts';
export { GroupNorm, type GroupNormConfig } from './layers/group-norm.ts';
export { LayerNorm, type LayerNormConfig } from './layers/layer-norm.ts';
export { RMSNorm, type RMSNormConfig } from './layers/rms-norm.ts';
export { Embedding, type EmbeddingConfig } from './layers/embedding.ts';
export { Dropout, type DropoutConfig } from './layers/dropout.ts';
export { Identity, Sequential, type SequentialPart } from './layers/sequential.ts';
export { applyRotary, rotaryTable, type RotaryTable, type RotaryTableConfig } from './layers/rotary.ts';
export { KVCache, type CacheHook, type KeysAndValues, type KVCacheConfig } from './layers/kv-cache.ts';
export {
  MultiHeadAttention,
  type AttentionCallOptions,
  type MultiHeadAttentionConfig,
} from './layers/multi-head-attention.ts';
export { FeedForward, feedForwardHidden, type FeedForwardConfig, type FeedForwardKind } from './layers/feed-forward.ts';
export { TransformerBlock, type TransformerBlockConfig } from './layers/transformer-block.ts';
export { groupsFor, ResNetBlock, type ResNetBlockConfig, type ResNetCallOptions } from './layers/resnet-block.ts';
export {
  Downsample2d,
  Upsample2d,
  upsampleNearest,
  type Downsample2dConfig,
  type Upsample2dConfig,
} from './layers/resample2d.ts';

export type {
  Gradients,
  Optimizer,
  OptimizerConfig,
  Parameters,
  ParameterUpdate,
  UpdateContext,
} from './optimizers/optimizer.ts';
export { StatefulOptimizer } from './optimizers/optimizer.ts';
export { Adam, AdamW, type AdamConfig } from './optimizers/adam.ts';
export { SGD, type SGDConfig } from './optimizers/sgd.ts';
export { Lion, type LionConfig } from './optimizers/lion.ts';
export * as schedules from './optimizers/schedule.ts';
export type { Schedule } from './optimizers/schedule.ts';
export { clipByGlobalNorm, globalNorm, type ClippedGradients } from './optimizers/clip.ts';
export { Ema, type EmaConfig } from './optimizers/ema.ts';
