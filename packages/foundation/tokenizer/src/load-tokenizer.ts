/** Reading a tokenizer back from a folder. */
import { readFile, stat } from 'node:fs/promises';
import { join } from 'node:path';
import { isDeepStrictEqual } from 'node:util';
import { random, tree, type tf } from '@tesserae/tensor';
import { readSafetensors } from '@tesserae/train';
import type { TokenizerFactory } from './factory.ts';
import { CONFIG_FILE, METADATA_KEY, MODEL_FILE, parseDescription, type SavedDescription } from './saved-description.ts';
import { describeSpec } from './spec.ts';
import type { Tokenizer } from './tokenizer.ts';
import { listNames, UnknownTokenizerError } from './unknown-tokenizer-error.ts';

/**
 * Load what `saveTokenizer` wrote.
 *
 * @param factories - The tokenizers that may be met, usually the `tokenizer` exports of some packages. There is no
 *   global registry: what is not listed cannot be loaded.
 * @throws UnknownTokenizerError when no factory has the saved kind; an Error naming the file when one is missing,
 *   damaged, or does not fit the tokenizer that its configuration builds. Nothing is leaked then.
 */
export async function loadTokenizer<S = tf.Tensor>(
  folder: string,
  factories: readonly TokenizerFactory<S>[],
): Promise<Tokenizer<S>> {
  await checkFolder(folder);
  const { tensors, metadata } = await readSafetensors(join(folder, MODEL_FILE));
  try {
    const { kind, config, spec } = await description(folder, metadata[METADATA_KEY]);
    const factory = factories.find((candidate) => candidate.kind === kind);
    if (!factory) {
      const known = factories.map((candidate) => candidate.kind);
      throw new UnknownTokenizerError(
        `loadTokenizer: ${folder} holds a tokenizer of kind '${kind}', known are ${listNames(known)}; ` +
          'pass the `tokenizer` export of the package that made it',
        kind,
        known,
      );
    }
    // The values are replaced by the saved ones, so any key will do; one that nobody else uses, so that a value which is
    // not saved shows as a difference.
    using key = random.key(0x7e55e7ae);
    const tokenizer = random.withKey(key, () => factory.create(config));
    try {
      if (spec !== undefined && !isDeepStrictEqual(JSON.parse(JSON.stringify(tokenizer.spec)), spec)) {
        throw new Error(
          `loadTokenizer: ${folder} was saved with ${describeSpec(spec)}, but its configuration now builds ` +
            `${describeSpec(tokenizer.spec)}; use the version of '${kind}' that saved it`,
        );
      }
      tokenizer.load(tensors);
      return tokenizer;
    } catch (error) {
      tokenizer.dispose();
      throw error;
    }
  } finally {
    tree.dispose(tensors);
  }
}

async function checkFolder(folder: string): Promise<void> {
  const found = await stat(join(folder, MODEL_FILE)).catch(() => undefined);
  if (!found) {
    throw new Error(`loadTokenizer: ${folder} has no ${MODEL_FILE}; give a folder that saveTokenizer wrote`);
  }
}

async function description(folder: string, inModel: string | undefined): Promise<SavedDescription> {
  if (inModel !== undefined) return parseDescription(inModel, join(folder, MODEL_FILE));
  const file = join(folder, CONFIG_FILE);
  const text = await readFile(file, 'utf8').catch((error: unknown) => {
    throw new Error(
      `loadTokenizer: ${join(folder, MODEL_FILE)} does not say which tokenizer it belongs to, and ${file} ` +
        `cannot be read: ${(error as Error).message}`,
      { cause: error },
    );
  });
  return parseDescription(text, file);
}
