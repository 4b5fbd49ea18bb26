/** Opens what a run has made. */
import { loadTokenizer, type Tokenizer } from '@tesserae/tokenizer';
import { openPictures, type Pictures } from './pictures.ts';
import type { RunFolder } from './run-folder.ts';
import { findTokenizer } from './tokenizers.ts';

/**
 * The tokenizer of a run.
 *
 * @throws Error when it was not trained yet, naming the command that does.
 */
export async function loadRunTokenizer(run: RunFolder): Promise<Tokenizer> {
  const { tokenizer } = await run.description();
  if (!(await run.has('tokenizer', 'model.safetensors'))) {
    throw new Error(
      `${run.folder} has no trained tokenizer; run \`tesserae-images train-tokenizer --out ${run.folder}\` first.`,
    );
  }
  return loadTokenizer(run.path('tokenizer'), [await findTokenizer(tokenizer)]);
}

/** The pictures of a run, or others of the same shape. */
export async function openRunPictures(run: RunFolder, images: string | undefined): Promise<Pictures> {
  const { pictures } = await run.description();
  return openPictures(images === undefined ? pictures : { ...pictures, images });
}
