/**
 * Choosing the engine that computes: by name, or the first one that works.
 *
 * A name is a promise: if `xla:cuda` cannot run, the call fails with the reason and the remedy. `auto` tries the
 * providers' engines in order, then `wasm`, then `cpu`, and says once which it took and why not an earlier one.
 */
import * as tf from '@tensorflow/tfjs-core';
import { EngineUnavailableError, UnknownEngineError } from './engine-errors.ts';
import type { EngineProvider } from './engine-provider.ts';
import { cpu } from './engines/cpu.ts';
import { repairCumulativeKernels } from './engines/cumulative.ts';
import { wasm } from './engines/wasm.ts';
import { setEnginePrecision } from './precision.ts';
import type { Precision } from './precision.ts';
import { registerRandomKernels } from './random/kernels.ts';

/** The engine in use. */
export interface EngineInfo {
  readonly name: string;
  /** One line about it: device, version, threads. */
  readonly detail: string;
  /** What matrix products and convolutions compute with outside of `withPrecision`. */
  readonly precision: Precision;
}

/** See {@link useEngine}. */
export interface UseEngineOptions {
  /** Precision of products outside of `withPrecision`; default: the engine's, `'tf32'` on a GPU and else `'float32'`. */
  precision?: Precision;
  /** Where `auto` reports its choice; default `console.info`. */
  log?: (line: string) => void;
}

const builtIn: readonly EngineProvider[] = [wasm, cpu];

/** Packages that bring engines, for the remedy of an unknown name. */
const packageOf: Readonly<Record<string, string>> = { xla: '@tesserae/xla', tensorflow: '@tesserae/tensorflow' };

/** Lines that `auto` has printed, so that it says each thing once. */
const said = new Set<string>();

type Attempt =
  { readonly info: EngineInfo } | { readonly reason: string; readonly remedy: string; readonly cause?: unknown };

/** Engines that run, so that asking for one again costs no probe. */
const started = new Map<string, EngineInfo>();

async function attempt(provider: EngineProvider, name: string): Promise<Attempt> {
  const running = started.get(name);
  if (running !== undefined && tf.engine().registry[name] !== undefined && (await tf.setBackend(name))) {
    return { info: running };
  }
  const probe = await provider.probe(name);
  if (!probe.available) return probe;
  const previous = tf.engine().backendName;
  try {
    if (tf.engine().registry[name] === undefined) {
      const backend = await provider.start(name);
      if (tf.findBackendFactory(name) === null) tf.registerBackend(name, () => backend);
    }
    if (!(await tf.setBackend(name))) throw new Error('its backend refused to start.');
  } catch (cause) {
    if (previous && tf.engine().registry[previous] !== undefined) await tf.setBackend(previous);
    if (cause instanceof EngineUnavailableError) return { reason: cause.reason, remedy: cause.remedy, cause };
    const message = cause instanceof Error ? cause.message : String(cause);
    return { reason: `it failed to start: ${message}`, remedy: 'Run `npx tesserae doctor` for details.', cause };
  }
  if (builtIn.includes(provider)) {
    // Loaded with the engine: programs that bring their own engine carry none of it.
    const { registerComposedKernels } = await import('./kernels/index.ts');
    registerComposedKernels(name);
    registerRandomKernels(name);
    repairCumulativeKernels(name);
  }
  const info = { name, detail: probe.detail, precision: provider.precision?.(name) ?? 'float32' };
  started.set(name, info);
  return { info };
}

/**
 * Starts an engine and makes it the one that all tensors are computed by.
 *
 * @param name `'auto'` (default), `'cpu'`, `'wasm'`, or a name of one of the providers, such as `'xla:cpu'`. A family
 *   name alone (`'xla'`) takes the family's first engine that works.
 * @param providers engines beyond the built-in ones, in order of preference; they go before `wasm` and `cpu`.
 * @throws UnknownEngineError if no provider knows the name; lists the names that are known.
 * @throws EngineUnavailableError if a named engine cannot run here, with the reason and the remedy.
 *
 * @example
 * await useEngine(); // wasm in Node
 * await useEngine('xla:cpu', [xla]); // `xla` from @tesserae/xla
 */
export async function useEngine(
  name: string = 'auto',
  providers: readonly EngineProvider[] = [],
  options: UseEngineOptions = {},
): Promise<EngineInfo> {
  const all = [...providers, ...builtIn].flatMap((provider) =>
    provider.names.map((engine) => ({ provider, engine, family: provider.family })),
  );
  const auto = name === 'auto';
  const candidates = auto ? all : all.filter(({ engine, family }) => engine === name || family === name);
  if (candidates.length === 0) {
    const known = ['auto', ...all.map(({ engine }) => engine)];
    const family = name.split(':')[0] ?? '';
    const from = packageOf[family];
    const remedy =
      from === undefined
        ? 'Use one of these, or pass the provider that brings it as second argument.'
        : `Pass its provider: useEngine('${name}', [${family}]) with \`${family}\` from ${from}.`;
    throw new UnknownEngineError(name, known, remedy);
  }

  const failures: string[] = [];
  let last: Exclude<Attempt, { info: EngineInfo }> | undefined;
  for (const { provider, engine } of candidates) {
    const result = await attempt(provider, engine);
    if ('info' in result) {
      const info = { ...result.info, precision: options.precision ?? result.info.precision };
      setEnginePrecision(info.precision);
      if (auto) {
        const why = failures.length === 0 ? '' : `; passed over ${failures.join('; ')}`;
        const line = `engine: ${engine} (${info.detail}; products in ${info.precision})${why}`;
        if (!said.has(line)) (options.log ?? console.info)(line);
        said.add(line);
      }
      return info;
    }
    failures.push(`${engine}: ${result.reason} ${result.remedy}`);
    last = result;
  }
  const reason = candidates.length === 1 ? (last?.reason ?? '') : failures.join(' ');
  throw new EngineUnavailableError(name, reason, last?.remedy ?? '', { cause: last?.cause });
}
