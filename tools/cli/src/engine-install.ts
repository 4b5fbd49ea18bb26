/**
 * `tesserae engine install [NAME]`: downloads and verifies the native part of an engine and puts it into the per-user
 * cache: a PJRT plugin for XLA, or TensorFlow, whose addon is compiled here.
 */
import { installTensorflow, type TensorflowProgress } from '@tesserae/tensorflow/install';
import { installPlugin, PLUGINS, type PluginName } from '@tesserae/xla/plugins';
import type { Terminal } from './terminal.ts';
import { UsageError } from './usage-error.ts';

/**
 * Installs an engine's native part and says what it does, one line a step.
 *
 * @param name `cpu`, `cuda13`, `cuda12` or `tensorflow`
 * @param options.gpu with `tensorflow`: the build for NVIDIA cards
 * @throws UsageError for another name, or `gpu` with a plugin
 * @throws PluginUnavailableError if it cannot be fetched or built
 */
export async function engineInstall(
  name: string,
  terminal: Terminal,
  options: { readonly gpu?: boolean } = {},
): Promise<void> {
  const onProgress = (progress: TensorflowProgress): void => terminal.err(progressLine(progress));
  if (name === 'tensorflow') {
    const build = await installTensorflow({ device: options.gpu ? 'gpu' : 'cpu', onProgress });
    terminal.out(`tensorflow ${build.version} for the ${build.device.toUpperCase()} is installed: ${build.folder}`);
    return;
  }
  if (!Object.hasOwn(PLUGINS, name)) {
    throw new UsageError(`Unknown engine plugin '${name}'. Known: ${Object.keys(PLUGINS).join(', ')}, tensorflow.`);
  }
  if (options.gpu)
    throw new UsageError(`--gpu goes with tensorflow; XLA's plugins for NVIDIA cards are cuda13 and cuda12.`);
  const plugin = await installPlugin(name as PluginName, { onProgress });
  terminal.out(`${plugin.name} ${plugin.version} is installed: ${plugin.path}`);
}

function progressLine(progress: TensorflowProgress): string {
  switch (progress.stage) {
    case 'waiting':
      return `waiting for the installation that process ${progress.owner} runs`;
    case 'download':
      return `downloading ${progress.file}: ${megabytes(progress.bytes)} of ${megabytes(progress.total)} MB`;
    case 'unpack':
      return `unpacking ${progress.file}`;
    case 'fallback':
      return `trying another build: ${progress.reason}`;
    case 'package':
      return `fetching ${progress.name} from npm`;
    case 'compile':
      return `compiling the addon with ${progress.compiler}`;
    case 'check':
      return 'checking that it computes';
    case 'checked':
      return `TensorFlow ${progress.result.version} computes on the ${progress.result.onGpu ? 'GPU' : 'CPU'}: ${progress.result.checked.join(', ')}`;
  }
}

function megabytes(bytes: number): string {
  return (bytes / 1e6).toFixed(1);
}
