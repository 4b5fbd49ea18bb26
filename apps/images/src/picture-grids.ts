/** The pictures that a run writes: originals beside their reconstructions, and samples. */
import { toTensors, writeGrid } from '@tesserae/data';
import { compile, tf } from '@tesserae/tensor';
import type { Tokenizer } from '@tesserae/tokenizer';
import type { PictureSet } from './pictures.ts';

/** Pairs in the picture. */
const pairs = 32;
/** Pairs in a row. */
const pairsAcross = 8;

/** Enlarges small pictures so that a person sees them. */
export const enlargement = (side: number): number => Math.max(1, Math.round(64 / side));

/**
 * Writes held-out pictures, each with its reconstruction at its right.
 *
 * The pictures are spread evenly over the set, so that neighbours in the alphabet do not fill the grid.
 */
export async function writeReconstructions(file: string, tokenizer: Tokenizer, heldOut: PictureSet): Promise<void> {
  const count = Math.min(pairs, heldOut.length);
  const stride = heldOut.length / count;
  const items = await Promise.all(Array.from({ length: count }, async (_, i) => heldOut.get(Math.floor(i * stride))));
  const { images } = toTensors((heldOut.collate as NonNullable<typeof heldOut.collate>)(items));
  using reconstruct = compile((batch: tf.Tensor) => tokenizer.decode(tokenizer.encode(batch)), { name: 'reconstruct' });
  const again = reconstruct(images);
  const [, height, width, channels] = images.shape as [number, number, number, number];
  // [count, 2, H, W, C] -> [2 count, H, W, C]: original, reconstruction, original, …
  const grid = tf.tidy(() =>
    tf.reshape(tf.stack([images, tf.clipByValue(again, -1, 1)], 1), [2 * count, height, width, channels]),
  );
  try {
    await writeGrid(file, grid, { columns: 2 * pairsAcross, scale: enlargement(height), gap: 2 });
  } finally {
    tf.dispose([images, again, grid]);
  }
}
