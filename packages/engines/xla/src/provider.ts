/** The XLA engines as `useEngine` sees them. */
import { dirname } from 'node:path';
import { EngineUnavailableError, tf } from '@tesserae/tensor';
import type { EngineProbe, EngineProvider } from '@tesserae/tensor';
import { XlaBackend } from './backend.ts';
import { keepLargeBlocks } from './pjrt/allocator.ts';
import { PjrtClient } from './pjrt/client.ts';
import type { ClientConfig } from './pjrt/client.ts';
import { PluginFileError } from './pjrt/errors.ts';
import { cudaDataFolder, librariesInLoadOrder, locatePlugin } from './plugins/index.ts';
import type { PluginLocation } from './plugins/index.ts';
import { gpuMemoryOptions } from './gpu-memory.ts';
import { keyValueCallbacks } from './processes/key-value-callbacks.ts';
import { processGroup, processVariables } from './processes/process-group.ts';
import { registerKernels } from './register-kernels.ts';
import { checkConfig, storeOf } from './xla-config.ts';
import type { XlaConfig } from './xla-config.ts';

const platforms = { 'xla:cuda': 'cuda', 'xla:cpu': 'cpu' } as const;
type EngineName = keyof typeof platforms;

function platformOf(name: string): 'cuda' | 'cpu' {
  const platform = platforms[name as EngineName] as 'cuda' | 'cpu' | undefined;
  if (platform === undefined)
    throw new Error(`xla: engine '${name}' is unknown; known are ${Object.keys(platforms).join(', ')}.`);
  return platform;
}

async function probe(name: string): Promise<EngineProbe> {
  const platform = platformOf(name);
  const remedy = `npx tesserae engine install ${platform === 'cuda' ? 'cuda13' : 'cpu'}`;
  try {
    const plugin = await locatePlugin(platform);
    if (plugin === undefined) {
      return { available: false, reason: `no PJRT plugin for ${platform} was found.`, remedy: `Run \`${remedy}\`.` };
    }
    return {
      available: true,
      detail: `PJRT plugin ${plugin.source}${plugin.version === undefined ? '' : ` ${plugin.version}`}`,
    };
  } catch (error) {
    return {
      available: false,
      reason: error instanceof Error ? error.message : String(error),
      remedy: `Run \`${remedy}\`.`,
    };
  }
}

async function start(name: string, config: XlaConfig): Promise<tf.KernelBackend> {
  const platform = platformOf(name);
  const plugin = await locatePlugin(platform);
  if (plugin === undefined) throw new Error(`xla: no PJRT plugin for ${platform} was found.`);
  // Registers the kernels that host-kernel.ts borrows.
  await import('@tensorflow/tfjs-backend-cpu');
  const host = tf.findBackend('cpu');
  // It would print a banner recommending tfjs-node at its first write.
  if ('firstUse' in host) host.firstUse = false;
  const preload = platform === 'cuda' ? await librariesInLoadOrder(plugin.libraryFolders) : [];
  if (platform === 'cuda') tellWhereCudaIs(await cudaDataFolder(plugin.libraryFolders));
  const inline = platform === 'cpu' && config.asynchronous !== true;
  if (inline) keepLargeBlocks();
  const group = processGroup();
  if (group !== undefined && platform !== 'cuda') {
    throw new EngineUnavailableError(
      name,
      `its plugin has no collectives between processes, and ${processVariables.count} asks for ${group.count}.`,
      'Use xla:cuda, or one process: the CPU engine gives it several devices (withMesh).',
    );
  }
  const processes = group && { ...group, keyValue: await keyValueCallbacks(group) };
  const options = {
    ...(inline && { asynchronous: false }),
    ...(platform === 'cuda' && gpuMemoryOptions(config.gpuMemory)),
  };
  const client = openClient(name, plugin, { path: plugin.path, preload, options, ...(processes && { processes }) });
  registerKernels(name);
  return new XlaBackend(client, name, storeOf(config), config.flush);
}

/** The client of a plugin; what is wrong with the plugin's file becomes a reason and a remedy. */
function openClient(name: string, plugin: PluginLocation, config: ClientConfig): PjrtClient {
  try {
    return new PjrtClient(config);
  } catch (error) {
    if (!(error instanceof PluginFileError)) throw error;
    throw new EngineUnavailableError(name, error.message, remedyFor(plugin, platformOf(name)), { cause: error });
  }
}

function remedyFor({ path, source }: PluginLocation, platform: 'cuda' | 'cpu'): string {
  const install = `\`npx tesserae engine install ${platform === 'cuda' ? 'cuda13' : 'cpu'}\``;
  if (source === 'TESSERAE_PJRT_PLUGIN') return `Correct TESSERAE_PJRT_PLUGIN, or unset it and run ${install}.`;
  return source === 'JAX installation'
    ? `Run ${install}, or repair JAX.`
    : `Delete ${dirname(path)} and run ${install}.`;
}

/** XLA reads its flags when the plugin is opened; without `/usr/local/cuda` it needs to be told where ptxas is. */
function tellWhereCudaIs(folder: string | undefined): void {
  const flags = process.env['XLA_FLAGS'] ?? '';
  if (folder === undefined || flags.includes('--xla_gpu_cuda_data_dir')) return;
  process.env['XLA_FLAGS'] = `${flags} --xla_gpu_cuda_data_dir=${folder}`.trim();
}

/**
 * The provider of `xla:cuda` and `xla:cpu`, with settings: `await useEngine('xla:cpu', [xlaProvider({ … })])`. The settings
 * count when the engine starts; an engine that runs already keeps its own.
 *
 * The plugins are data, not dependencies: `npx tesserae engine install cpu` fetches one.
 *
 * @throws TypeError or RangeError for a setting that is not one.
 */
export function xlaProvider(config: XlaConfig = {}): EngineProvider {
  checkConfig(config);
  return {
    family: 'xla',
    names: Object.keys(platforms),
    probe,
    precision: (name) => (platformOf(name) === 'cuda' ? 'tf32' : 'float32'),
    start: (name) => start(name, config),
  };
}

/** {@link xlaProvider} with the defaults: `await useEngine('xla:cpu', [xla])`. */
export const xla: EngineProvider = xlaProvider();
