export type { Json, JsonObject } from './json.ts';
export type { ContinuousTokenSpec, DiscreteTokenSpec, SignalKind, TokenSpec } from './spec.ts';
export {
  checkTokenRange,
  checkTokens,
  checkTokenValues,
  describeSpec,
  tokenCount,
  tokensShape,
  validateSpec,
} from './spec.ts';
export type { Quantized, QuantizeOptions } from './quantizer.ts';
export { Quantizer, sumLosses } from './quantizer.ts';
export type { TokenizerConfig } from './tokenizer.ts';
export { Tokenizer } from './tokenizer.ts';
export type { TokenizerLoss, TokenizerLossOptions, TrainableTokenizer } from './trainable.ts';
export { isTrainable } from './trainable.ts';
export type { TokenizerFactory } from './factory.ts';
export { saveTokenizer } from './save-tokenizer.ts';
export { loadTokenizer } from './load-tokenizer.ts';
export type { ResolveOptions } from './resolve-tokenizer.ts';
export { resolveTokenizer } from './resolve-tokenizer.ts';
export { UnknownTokenizerError } from './unknown-tokenizer-error.ts';
export type { ConformanceOptions } from './conformance/conformance.ts';
export { conformance, conformanceChecks } from './conformance/conformance.ts';
export type { CheckResult, ConformanceReport } from './conformance/report.ts';
export { formatReport } from './conformance/report.ts';
