/** The settings of the XLA engines, and what they may be. */
import type { FlushPolicy } from './backend.ts';
import { ExecutableStore } from './executable-store.ts';
import type { ExecutableStoreConfig } from './executable-store.ts';
import { gpuMemoryOptions } from './gpu-memory.ts';
import type { GpuMemory } from './gpu-memory.ts';

/** Settings of the XLA engines. */
export interface XlaConfig {
  /**
   * Where compiled programs are kept between runs: default `true`, in the per-user folder (`TESSERAE_HOME`); `false`
   * nowhere. The environment variable `TESSERAE_PROGRAM_CACHE=off` also switches it off (`on` or empty: as the program says).
   */
  readonly programCache?: boolean | ExecutableStoreConfig;
  /**
   * `xla:cpu`: whether programs run on a thread of the plugin's, so that a call returns before its program is done.
   * Default false: the call takes as long as the program, and memory is used again from call to call, which makes a
   * training step about a fifth faster (`pjrt/allocator.ts`). Plugins of PJRT API 0.106 are always asynchronous.
   */
  readonly asynchronous?: boolean;
  /**
   * When recorded kernels are computed: `'reads'` (default) when a value is asked for, many at once as one program;
   * `'each'` one by one as they are called, which is slow and shows which op is at fault.
   */
  readonly flush?: FlushPolicy;
  /**
   * `xla:cuda`: how much of the card's memory is taken, `'grow'` as needed or a share from 0 to 1 at the start. Default
   * what `TESSERAE_GPU_MEMORY` says, or else three quarters; several processes on one card need less each.
   */
  readonly gpuMemory?: GpuMemory;
}

/** Each setting by what it may be, in words and as a test. */
const settings: Readonly<Record<keyof XlaConfig, readonly [expected: string, holds: (value: unknown) => boolean]>> = {
  programCache: [
    'true, false or { folder, maxBytes }',
    (value) => typeof value === 'boolean' || (typeof value === 'object' && value !== null),
  ],
  asynchronous: ['true or false', (value) => typeof value === 'boolean'],
  flush: ["'reads' or 'each'", (value) => value === 'reads' || value === 'each'],
  // A number that is no share is refused with its own words below.
  gpuMemory: ["'grow' or a number", (value) => value === 'grow' || typeof value === 'number'],
};

/** @throws TypeError or RangeError that names the setting, what it may be and what came. */
export function checkConfig(config: XlaConfig): void {
  if (typeof config !== 'object' || config === null)
    throw new TypeError(`xlaProvider: the settings must be an object, but got ${String(config)}.`);
  for (const [name, value] of Object.entries(config)) {
    const setting = settings[name as keyof XlaConfig] as (typeof settings)[keyof XlaConfig] | undefined;
    if (setting === undefined)
      throw new TypeError(`xlaProvider: unknown setting '${name}'; known are ${Object.keys(settings).join(', ')}.`);
    const [expected, holds] = setting;
    if (value !== undefined && !holds(value))
      throw new TypeError(`xlaProvider: '${name}' must be ${expected}, but got ${JSON.stringify(value)}.`);
  }
  gpuMemoryOptions(config.gpuMemory, {});
}

const programCacheVariable = 'TESSERAE_PROGRAM_CACHE';

/**
 * Where programs are kept, if anywhere.
 *
 * @throws RangeError if the environment variable is neither `on`, `off` nor empty.
 */
export function storeOf(
  { programCache = true }: XlaConfig,
  env: NodeJS.ProcessEnv = process.env,
): ExecutableStore | undefined {
  const said = env[programCacheVariable] ?? '';
  if (!['', 'on', 'off'].includes(said))
    throw new RangeError(`${programCacheVariable} must be 'on' or 'off', but got '${said}'.`);
  if (programCache === false || said === 'off') return undefined;
  return new ExecutableStore(programCache === true ? {} : programCache);
}
