/** @tesserae/tensorflow/install: building and finding the native part of the TensorFlow engine. */
export { TENSORFLOW_BUILDS, type TensorflowBuild, type TensorflowDevice } from './build-table.ts';
export { checkBuild, type BuildCheck } from './check-build.ts';
export {
  downloadBytes,
  installTensorflow,
  type InstallTensorflowOptions,
  type TensorflowProgress,
} from './install-tensorflow.ts';
export { listTensorflow, type InstalledBuild } from './installed-builds.ts';
