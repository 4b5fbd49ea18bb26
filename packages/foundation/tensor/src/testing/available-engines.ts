/** The engines that tests run on. */
import type { EngineProvider } from '../engine-provider.ts';

/** `'cpu'` and `'wasm'`, then the providers' engines that their probe finds available. */
export async function availableEngines(providers: readonly EngineProvider[] = []): Promise<string[]> {
  const found = ['cpu', 'wasm'];
  for (const provider of providers) {
    for (const name of provider.names) {
      if ((await provider.probe(name)).available) found.push(name);
    }
  }
  return found;
}
