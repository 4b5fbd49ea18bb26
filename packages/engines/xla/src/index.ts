/**
 * @tesserae/xla: TensorFlow.js programs on XLA, through any PJRT plugin.
 */
export { xla, xlaProvider } from './provider.ts';
export type { XlaConfig } from './xla-config.ts';
export { XlaBackend } from './backend.ts';
export { DeviceMemoryError, XlaError } from './pjrt/errors.ts';
export * from './plugins/index.ts';
export { KeyValueServer } from './processes/key-value-server.ts';
export { processGroup, processVariables } from './processes/process-group.ts';
export type { ProcessGroup } from './processes/process-group.ts';
