/** The plugin manager: finding, installing and listing PJRT plugins. */
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
