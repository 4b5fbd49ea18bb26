/**
 * @tesserae/autoregressive: image generation by next-token prediction over discrete tokens.
 */
export { ImageGPT } from './image-gpt.ts';
export type { DecodeResult, ForwardOptions, LossOptions, PriorLoss } from './image-gpt.ts';
export { imageGPTSizes, resolveConfig } from './config.ts';
export type {
  ClassCondition,
  Condition,
  DropoutRates,
  FeaturesCondition,
  ImageGPTConfig,
  NoCondition,
  PrefixCondition,
  Profile,
  ResolvedConfig,
  Switches,
} from './config.ts';
export { parameterCount, parameterShapes } from './parameter-count.ts';
export { checkTokenizer, generateImages } from './generate-images.ts';
export type { GeneratedImages, GenerateOptions } from './generate-images.ts';
export { decodeStep } from './sampler.ts';
export type { DecodeOptions, DecodeState, SampleOptions } from './sampler.ts';
export type { DecodeCache } from './decode-cache.ts';
export { cfgCombine } from './cfg-combine.ts';
export { filterLogits } from './filter-logits.ts';
export type { FilterOptions } from './filter-logits.ts';
export { nextToken } from './next-token.ts';
export type { DrawOptions } from './next-token.ts';
export { rope2d } from './rope2d.ts';
