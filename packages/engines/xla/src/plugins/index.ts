/** What needs no plugin to be open: finding, installing and listing plugins, and the compiled programs on disk. */
export {
  ExecutableStore,
  type ExecutableStoreConfig,
  type StoredExecutable,
  type StoredFile,
} from '../executable-store.ts';
export { cudaDataFolder, librariesInLoadOrder } from './cuda-libraries.ts';
export { installPlugin, type InstallOptions } from './install-plugin.ts';
export { listPlugins, type InstalledPlugin, type PluginRecord } from './installed-plugins.ts';
export { locatePlugin, type PluginLocation } from './locate-plugin.ts';
export {
  PluginIntegrityError,
  PluginUnavailableError,
  tesseraeHome,
  type Environment,
  type InstallProgress,
  type PackageIndex,
  type WheelPin,
} from '@tesserae/downloads';
export { doctor, type PlatformReport, type PluginReport } from './plugin-report.ts';
export { PLUGINS, type PluginBuild, type PluginName, type PluginPin, type PluginPlatform } from './plugin-table.ts';
