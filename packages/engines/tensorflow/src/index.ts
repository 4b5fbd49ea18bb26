/**
 * @tesserae/tensorflow: TensorFlow's kernels as an engine of TensorFlow.js programs.
 */
export { tensorflow, type TensorflowBackend } from './provider.ts';
