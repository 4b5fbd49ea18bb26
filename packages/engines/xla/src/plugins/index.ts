/** The plugin manager: finding, installing and listing PJRT plugins. */
export { cudaDataFolder, librariesInLoadOrder } from './cuda-libraries.ts';
export { installPlugin, type InstallOptions, type InstallProgress } from './install-plugin.ts';
export { listPlugins, type InstalledPlugin, type PluginRecord } from './installed-plugins.ts';
export { locatePlugin, type PluginLocation } from './locate-plugin.ts';
export type { PackageIndex } from './package-index.ts';
export { PluginIntegrityError, PluginUnavailableError } from './plugin-errors.ts';
export { tesseraeHome, type Environment } from './plugin-home.ts';
export { doctor, type PlatformReport, type PluginReport } from './plugin-report.ts';
export {
  PLUGINS,
  type PluginBuild,
  type PluginName,
  type PluginPin,
  type PluginPlatform,
  type WheelPin,
} from './plugin-table.ts';
