/** Starts the engine that a command asked for. */
import { useEngine, type EngineInfo } from '@tesserae/tensor';
import { xla } from '@tesserae/xla';

/**
 * Makes an engine compute.
 *
 * @throws EngineUnavailableError or UnknownEngineError from `useEngine`.
 */
export async function startEngine(name: string): Promise<EngineInfo> {
  const info = await useEngine(name, [xla], { log: () => {} });
  console.log(`engine: ${info.name} (${info.detail}; products in ${info.precision} unless --precision says otherwise)`);
  return info;
}
