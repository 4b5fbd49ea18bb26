/** Writing a tokenizer to a folder. */
import { mkdir } from 'node:fs/promises';
import { join } from 'node:path';
import { writeFileAtomically, WriteError, writeSafetensors } from '@tesserae/train';
import { CONFIG_FILE, describeTokenizer, METADATA_KEY, MODEL_FILE } from './saved-description.ts';
import type { Tokenizer } from './tokenizer.ts';

/**
 * Save a tokenizer: `model.safetensors` (parameters, buffers and the description) and `config.json` (the description,
 * for people). The folder is made; each file appears whole or not at all, and the old one stays until then.
 *
 * @throws TypeError when the configuration is not plain JSON; WriteError naming the file when it cannot be written.
 */
export async function saveTokenizer<S>(tokenizer: Tokenizer<S>, folder: string): Promise<void> {
  const description = describeTokenizer(tokenizer);
  try {
    await mkdir(folder, { recursive: true });
  } catch (error) {
    throw new WriteError(folder, error);
  }
  await writeSafetensors(join(folder, MODEL_FILE), tokenizer.stateDict(), { [METADATA_KEY]: description });
  await writeFileAtomically(join(folder, CONFIG_FILE), `${description}\n`);
}
