/** The flags that commands share, and how their values are read. */
import { UsageError } from './usage-error.ts';

/** A flag that takes a number, with its default. */
export const numberFlag = (value: number, description: string) =>
  ({ type: 'string', default: String(value), valueHint: 'NUMBER', description }) as const;

/** Words of `--precision`. */
export const precisions = ['auto', 'float32', 'tf32', 'bfloat16'] as const;

/** Words of `--sharding`. */
export const shardings = ['replicated', 'sharded'] as const;

/** Where pictures come from. */
export const pictureFlags = {
  images: {
    type: 'string',
    default: 'emoji',
    valueHint: 'emoji|fashion-mnist|FOLDER|FILE',
    description: 'A named set, a folder of your own (sub-folders are classes with --classes), or what pack wrote',
  },
  size: { type: 'string', default: '32', valueHint: 'PIXELS', description: 'Side of the pictures' },
  classes: {
    type: 'boolean',
    default: false,
    description: 'Learn the classes of the pictures: first sub-folder, or the labels of a named set',
  },
} as const;

/** How things run. */
export const runFlags = {
  out: { type: 'string', default: 'runs/images', valueHint: 'FOLDER', description: 'Folder of the run' },
  engine: {
    type: 'string',
    default: 'auto',
    valueHint: 'auto|xla:cpu|xla:cuda|wasm|cpu',
    description: 'What computes; auto takes the first that works',
  },
} as const;

/** What makes a run repeatable. */
export const seedFlags = {
  seed: { type: 'string', default: '0', valueHint: 'NUMBER', description: 'Of all random draws' },
} as const;

/** Training. */
export const trainingFlags = {
  batch: { type: 'string', default: '64', valueHint: 'NUMBER', description: 'Pictures in a batch' },
  resume: { type: 'boolean', default: false, description: 'Continue from the last checkpoint in --out' },
  precision: {
    type: 'string',
    default: 'auto',
    valueHint: precisions.join('|'),
    description: "Of matrix products and convolutions; auto is the engine's: tf32 on a GPU, else float32",
  },
} as const;

/** Several devices. */
export const meshFlags = {
  devices: {
    type: 'string',
    default: '1',
    valueHint: 'NUMBER',
    description: 'Devices that share each batch; with `tesserae launch`, those of all processes',
  },
  sharding: {
    type: 'string',
    default: 'replicated',
    valueHint: shardings.join('|'),
    description: 'Whether each device holds all of the state, or its part',
  },
} as const;

/** How often training does what is not training. */
export const intervalFlags = {
  checkpoint: { type: 'string', default: '100', valueHint: 'STEPS', description: 'Updates between checkpoints' },
  log: { type: 'string', default: '50', valueHint: 'STEPS', description: 'Updates between lines of the log' },
} as const;

/** Which tokenizer. */
export const tokenizerFlags = {
  tokenizer: {
    type: 'string',
    default: 'vq',
    valueHint: 'vq|fsq|PACKAGE|FILE',
    description: 'A built-in tokenizer, an installed package, or a .ts or .js file that exports `tokenizer`',
  },
} as const;

/** Drawing from the prior. */
export const samplingFlags = {
  count: { type: 'string', default: '64', valueHint: 'NUMBER', description: 'Pictures to make' },
  temperature: { type: 'string', default: '1', valueHint: 'NUMBER', description: 'Below 1: safer, above 1: wilder' },
  'top-k': {
    type: 'string',
    default: '0',
    valueHint: 'NUMBER',
    description: 'Keep the k likeliest tokens; 0 keeps all',
  },
  'top-p': {
    type: 'string',
    default: '0.95',
    valueHint: 'NUMBER',
    description: 'Keep the likeliest tokens that make up p',
  },
  cfg: {
    type: 'string',
    default: '1',
    valueHint: 'NUMBER',
    description: 'Classifier-free guidance, for a prior with classes',
  },
} as const;

/** A whole number of at least `least`. */
export function whole(flag: string, value: string, least: number): number {
  const number = Number(value);
  if (!Number.isSafeInteger(number) || number < least || value.trim() === '') {
    throw new UsageError(`--${flag} must be a whole number of at least ${least}, got '${value}'.`);
  }
  return number;
}

/** A number in [least, most]. */
export function decimal(flag: string, value: string, least: number, most: number = Infinity): number {
  const number = Number(value);
  if (!Number.isFinite(number) || number < least || number > most || value.trim() === '') {
    const range = most === Infinity ? `of at least ${least}` : `from ${least} to ${most}`;
    throw new UsageError(`--${flag} must be a number ${range}, got '${value}'.`);
  }
  return number;
}

/** One of some words. */
export function oneOf<T extends string>(flag: string, value: string, words: readonly T[]): T {
  if ((words as readonly string[]).includes(value)) return value as T;
  throw new UsageError(`--${flag} must be one of ${words.join(', ')}, got '${value}'.`);
}
