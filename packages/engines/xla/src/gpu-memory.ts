/** How much of a card's memory an engine takes, as options of the CUDA plugin. */
import type { OptionValues } from './pjrt/named-values.ts';

/**
 * `'grow'` takes memory as it is needed; a number takes that share of the card at the start, which is faster, and no more.
 */
export type GpuMemory = 'grow' | number;

/** What says it where the program does not: `grow` or a share, such as `0.3`. */
const gpuMemoryVariable = 'TESSERAE_GPU_MEMORY';

/**
 * The plugin's options; none without a setting, and the plugin then takes three quarters.
 *
 * @throws RangeError for anything but `grow` or a number above 0 and at most 1.
 */
export function gpuMemoryOptions(setting: GpuMemory | undefined, env: NodeJS.ProcessEnv = process.env): OptionValues {
  const given = env[gpuMemoryVariable];
  const [memory, from] =
    setting !== undefined
      ? [setting, "xlaProvider: 'gpuMemory'"]
      : [given === undefined || given === 'grow' ? given : Number(given), gpuMemoryVariable];
  if (memory === undefined) return {};
  if (memory === 'grow') return { preallocate: false };
  if (typeof memory === 'number' && memory > 0 && memory <= 1) return { preallocate: true, memory_fraction: memory };
  throw new RangeError(
    `${from} must be 'grow' or a share of the card's memory above 0 and at most 1, but got '${setting ?? given}'.`,
  );
}
