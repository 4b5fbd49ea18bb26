/**
 * What is stored beside the weights: enough to build the tokenizer again.
 *
 * It is written twice. In the metadata of `model.safetensors` it is one file with the weights, so a crash between two
 * writes cannot leave weights and configuration of different tokenizers together: that copy counts. `config.json` is
 * for people, and for weights that came without metadata, from PyTorch for example.
 */
import type { Json, JsonObject } from './json.ts';
import type { TokenSpec } from './spec.ts';
import type { Tokenizer, TokenizerConfig } from './tokenizer.ts';

/** Name of the file with parameters, buffers and the description. */
export const MODEL_FILE = 'model.safetensors';
/** Name of the file with the description alone. */
export const CONFIG_FILE = 'config.json';
/** Key of the description in the metadata of the model file. */
export const METADATA_KEY = 'tesserae.tokenizer';

const FORMAT = 'tesserae-tokenizer';
const VERSION = 1;

/** A tokenizer without its weights. */
export interface SavedDescription {
  readonly kind: string;
  readonly config: TokenizerConfig;
  /** What the tokens were when it was saved; absent from descriptions written by hand. */
  readonly spec?: TokenSpec;
}

/**
 * The description of a tokenizer as JSON text.
 *
 * @throws TypeError when its configuration is not plain JSON, so that it could not be built again.
 */
export function describeTokenizer<S>(tokenizer: Tokenizer<S>): string {
  const { kind, config, spec } = tokenizer;
  const where = notJson(config, 'config');
  if (where !== undefined) {
    throw new TypeError(
      `saveTokenizer: ${where} of the ${kind} tokenizer is not plain JSON, so it could not be built again; ` +
        'a configuration holds numbers, strings, booleans, null, lists and plain objects',
    );
  }
  return JSON.stringify({ format: FORMAT, version: VERSION, kind, spec, config }, null, 2);
}

/**
 * Read a description.
 *
 * @param source - The file it came from, for messages.
 * @throws Error when it is no description, or one of a later version.
 */
export function parseDescription(text: string, source: string): SavedDescription {
  const fail = (what: string): never => {
    throw new Error(`loadTokenizer: ${source} ${what}`);
  };
  let value: Partial<Record<'format' | 'version' | 'kind' | 'config' | 'spec', Json>>;
  try {
    value = JSON.parse(text) as JsonObject;
  } catch (error) {
    return fail(`is not JSON: ${(error as Error).message}`);
  }
  if (typeof value !== 'object' || value === null || value.format !== FORMAT) {
    return fail(`does not describe a tokenizer: "format" must be "${FORMAT}"`);
  }
  if (value.version !== VERSION) {
    return fail(
      `has version ${JSON.stringify(value.version)}, this package reads version ${VERSION}; update @tesserae/tokenizer`,
    );
  }
  const { kind, config, spec } = value;
  if (typeof kind !== 'string') return fail('has no "kind", the name of the tokenizer');
  if (typeof config !== 'object' || config === null || !Array.isArray((config as JsonObject)['shape'])) {
    return fail('has no "config" with the "shape" of a signal');
  }
  return {
    kind,
    config: config as unknown as TokenizerConfig,
    ...(spec === undefined ? {} : { spec: spec as unknown as TokenSpec }),
  };
}

/** Where a value stops being plain JSON: `config.quantizer.decay`; undefined if it does not. */
function notJson(value: unknown, path: string): string | undefined {
  if (value === null || typeof value === 'string' || typeof value === 'boolean' || value === undefined)
    return undefined;
  if (typeof value === 'number') return Number.isFinite(value) ? undefined : path;
  if (typeof value !== 'object') return path;
  const prototype: unknown = Object.getPrototypeOf(value);
  if (!Array.isArray(value) && prototype !== Object.prototype && prototype !== null) return path;
  for (const [key, member] of Object.entries(value)) {
    const found = notJson(member, `${path}.${key}`);
    if (found !== undefined) return found;
  }
  return undefined;
}
