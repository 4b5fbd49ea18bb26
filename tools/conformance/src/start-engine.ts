/**
 * Starts the engine under test, and counts what it computes on the host.
 *
 * Compiling thousands of tiny programs is nearly all of a run on XLA, so by default they are compiled with the back end's
 * optimisations off (about a third of the time on the CPU); the lowering and XLA's own graph passes are the same.
 */
import { tf, useEngine } from '@tesserae/tensor';
import type { EngineProvider } from '@tesserae/tensor';
import type { TensorflowBackend } from '@tesserae/tensorflow';
import { XlaBackend, xlaProvider } from '@tesserae/xla';
import type { Options } from './options.ts';
import { quickly } from './quick-compilation.ts';

/** An engine that runs. */
export interface RunningEngine {
  /** Where it comes from, in a line. */
  readonly detail: string;
  /** Kernel calls that were computed on the host, by kernel. */
  hostKernels(): Readonly<Record<string, number>>;
  /** Programs that were compiled, and the seconds that it took; nothing on engines that do not compile. */
  compiled(): { readonly programs: number; readonly seconds: number } | undefined;
}

/** Starts the engine that the options name, after the plain CPU backend, which some specs use by name. */
export async function startEngine(options: Options): Promise<RunningEngine> {
  const { engine, flush, optimize } = options;
  await useEngine('cpu');
  const quick = quickly[engine];
  if (quick !== undefined && !optimize) process.env['XLA_FLAGS'] = `${process.env['XLA_FLAGS'] ?? ''} ${quick}`.trim();
  const info = await useEngine(engine, await providers(engine, flush), { precision: 'float32' });
  const backend = tf.backend();
  if (!(backend instanceof XlaBackend)) {
    const { hostFallbacks } = backend as Partial<TensorflowBackend>;
    return {
      detail: info.detail,
      hostKernels: () => Object.fromEntries(hostFallbacks ?? []),
      compiled: () => undefined,
    };
  }
  // Each suite resets the global engine, which disposes its backends and makes them anew. A provider hands out one
  // backend for the process, so it must outlive that.
  backend.dispose = () => undefined;
  return {
    detail: info.detail,
    hostKernels: () => Object.fromEntries(backend.hostFallbacks),
    compiled: () => ({
      programs: backend.programs.compilations,
      seconds: backend.programs.compileMilliseconds / 1000,
    }),
  };
}

async function providers(engine: Options['engine'], flush: Options['flush']): Promise<EngineProvider[]> {
  if (engine === 'tensorflow') return [(await import('@tesserae/tensorflow')).tensorflow];
  return [xlaProvider({ flush, programCache: false })];
}
