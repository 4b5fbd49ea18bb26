/** @tesserae/train: the training loop, checkpoints, safetensors, logs and progress. */
export { fit } from './fit.ts';
export type { FitMoment, FitOptions, FitResult, HistoryEntry, Intervals } from './fit-options.ts';
export type { Loss, LossContext, LossResult } from './train-step.ts';
export type { Sharding, ShardingRule } from './sharding.ts';
export { NonFiniteError } from './figures.ts';
export { Evaluator, type EvaluatorConfig } from './evaluate.ts';
export {
  upload,
  type BatchSource,
  type HostArray,
  type OnDevice,
  type Positioned,
  type UploadedBatch,
  type UploadOptions,
} from './batch.ts';

export {
  CheckpointError,
  findCheckpoint,
  loadCheckpoint,
  saveCheckpoint,
  type Checkpoint,
  type CheckpointInput,
  type CheckpointTensors,
} from './checkpoint/checkpoint.ts';
export { loadWeights, type LoadWeightsOptions } from './checkpoint/load-weights.ts';
export type { CheckpointState, Json } from './checkpoint/state.ts';
export { writeFileAtomically, WriteError } from './atomic-write.ts';

export { openSafetensors, readSafetensors, type SafetensorsContent, type SafetensorsFile } from './safetensors/read.ts';
export { encodeSafetensors, writeSafetensors, type SafetensorsInput } from './safetensors/write.ts';
export { SafetensorsError } from './safetensors/errors.ts';
export type { HostBytes, HostDtype, HostValues } from './safetensors/dtype.ts';
export type { TensorInfo } from './safetensors/header.ts';

export { JsonlLog, readJsonl, type LogLine } from './logs/jsonl.ts';
export { TensorBoardWriter, type EncodedImage } from './logs/tensorboard.ts';
export {
  formatBytes,
  formatDuration,
  formatNumber,
  formatProgress,
  formatRate,
  progressTarget,
  type Progress,
  type ProgressTarget,
  type TextStream,
} from './progress.ts';
