/** Starts an engine to see what it drives, which a probe does not. */
import type { EngineProvider } from '@tesserae/tensor';

/**
 * The devices of an engine, in one line.
 *
 * @param provider the engine's family
 * @param name the engine
 * @throws what the engine throws when it cannot start
 */
export async function devices(provider: EngineProvider, name: string): Promise<string> {
  const { XlaBackend } = await import('@tesserae/xla');
  const backend = await provider.start(name);
  if (!(backend instanceof XlaBackend)) {
    const probe = await provider.probe(name);
    return probe.available ? probe.detail : 'started';
  }
  const { apiVersion, deviceCount, deviceKind, platformVersion } = backend.client;
  backend.dispose();
  const version = platformVersion.split('\n')[0]?.trim() ?? '';
  const count = deviceCount === 1 ? '1 device' : `${deviceCount} devices`;
  return `PJRT API ${apiVersion.join('.')}, ${count}: ${deviceKind}${version ? ` (${version})` : ''}`;
}
