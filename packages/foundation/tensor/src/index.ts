/**
 * @tesserae/tensor: the shared tensor core. TensorFlow.js with gradients, engines, keys, trees, scopes, precision and
 * the ops that training generative models needs.
 */
import './register.ts';

export type { ChainedMethods } from './register.ts';

export * as tf from '@tensorflow/tfjs-core';
export { registerChainedOps } from './chained.ts';
export { registerGradients } from './gradients/index.ts';
export { useEngine } from './engine.ts';
export type { EngineInfo, UseEngineOptions } from './engine.ts';
export type { EngineProbe, EngineProvider } from './engine-provider.ts';
export { EngineUnavailableError, UnknownEngineError } from './engine-errors.ts';
export * as tree from './tree.ts';
export type { Flattened } from './tree.ts';
export { scope } from './scope.ts';
export type { Scope } from './scope.ts';
export * as random from './random/index.ts';
export type { Key } from './random/key.ts';
export { registerRandomKernels } from './random/kernels.ts';
export { registerHostKernels } from './host-kernels.ts';
export type { HostKernelOptions } from './host-kernels.ts';
export { currentPrecision, withPrecision } from './precision.ts';
export type { Precision } from './precision.ts';
export { valueAndGrad } from './value-and-grad.ts';
export type { ValueAndGrad } from './value-and-grad.ts';
export * as ops from './ops/index.ts';
export { compile } from './compile.ts';
export type { Compiled, CompileOptions } from './compile.ts';
export { donationError, DonatedTensorError, withClones } from './donation.ts';
export { isCompiling } from './backend-contract.ts';
export type {
  ChoosingBackend,
  CompilingBackend,
  LoopingBackend,
  LoopResult,
  LoopStep,
  MeshBackend,
  Program,
  RecordedLoop,
  TensorLike,
} from './backend-contract.ts';
export { checkSpec, mesh, specAxes, specText } from './mesh/mesh.ts';
export type { Mesh, MeshAxis, ShardSpec } from './mesh/mesh.ts';
export { currentMesh, currentProcess, MeshError, shard, withMesh } from './mesh/with-mesh.ts';
export { isTracing, runTrace, TraceReadError } from './tracing.ts';
export { checkNumerics, checksNumerics, NumericsError } from './check-numerics.ts';
export { callerLine } from './caller-line.ts';
export { stridedSliceInfo } from './strided-slice.ts';
export type { StridedSliceInfo } from './strided-slice.ts';
