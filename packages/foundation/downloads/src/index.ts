/** @tesserae/downloads: pinned files of package indexes, verified and unpacked into a per-user cache. */
export { PluginIntegrityError, PluginUnavailableError } from './errors.ts';
export { downloadsFolder, pluginsFolder, RECORD_FILE, tesseraeHome, type Environment } from './home.ts';
export {
  installAlone,
  installFolder,
  type FetchOptions,
  type FolderRecipe,
  type InstallProgress,
} from './install-folder.ts';
export { CUDA12_WHEELS } from './cuda12-wheels.ts';
export { configuredIndex, indexAt, type PackageIndex } from './package-index.ts';
export type { RequestSettings } from './index-request.ts';
export { fetchNpmPackage, type NpmPin } from './npm-package.ts';
export { wheelPin, type WheelPin } from './wheel-pin.ts';
export type { UnpackLimits } from './unpack-wheel.ts';
