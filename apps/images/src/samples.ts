/** Sampling a picture grid. */
import { generateImages, type GenerateOptions, type ImageGPT } from '@tesserae/autoregressive';
import { writeGrid } from '@tesserae/data';
import type { Tokenizer } from '@tesserae/tokenizer';
import { enlargement } from './picture-grids.ts';

/** Draws pictures and writes them as one grid. */
export async function writeSamples(
  file: string,
  model: ImageGPT,
  tokenizer: Tokenizer,
  options: GenerateOptions & { readonly columns?: number },
): Promise<void> {
  const { columns, ...rest } = options;
  const { images, tokens } = await generateImages(model, tokenizer, rest);
  try {
    await writeGrid(file, images, {
      ...(columns !== undefined && { columns }),
      scale: enlargement(images.shape[1]),
      gap: 2,
    });
  } finally {
    images.dispose();
    tokens.dispose();
  }
}
