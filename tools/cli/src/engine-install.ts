/** `tesserae engine install [NAME]`: downloads, verifies and unpacks a PJRT plugin into the per-user cache. */
import { installPlugin, PLUGINS, type InstallProgress, type PluginName } from '@tesserae/xla/plugins';
import type { Terminal } from './terminal.ts';
import { UsageError } from './usage-error.ts';

/**
 * Installs a plugin and says what it does, one line a step.
 *
 * @param name `cpu`, `cuda13` or `cuda12`
 * @throws UsageError for another name
 * @throws PluginUnavailableError if it cannot be fetched
 */
export async function engineInstall(name: string, terminal: Terminal): Promise<void> {
  if (!Object.hasOwn(PLUGINS, name)) {
    throw new UsageError(`Unknown engine plugin '${name}'. Known: ${Object.keys(PLUGINS).join(', ')}.`);
  }
  const plugin = await installPlugin(name as PluginName, {
    onProgress: (progress) => terminal.err(progressLine(progress)),
  });
  terminal.out(`${plugin.name} ${plugin.version} is installed: ${plugin.path}`);
}

function progressLine(progress: InstallProgress): string {
  switch (progress.stage) {
    case 'waiting':
      return `waiting for the installation that process ${progress.owner} runs`;
    case 'download':
      return `downloading ${progress.file}: ${megabytes(progress.bytes)} of ${megabytes(progress.total)} MB`;
    case 'unpack':
      return `unpacking ${progress.file}`;
    case 'fallback':
      return `trying another build: ${progress.reason}`;
  }
}

function megabytes(bytes: number): string {
  return (bytes / 1e6).toFixed(1);
}
