/** Changes made to items as they are loaded, each drawn from the loader's seed so that a resume repeats them. */
import type { Draws } from './draws.ts';
import type { ImageItem } from './image-item.ts';

/** Takes an item and a stream of random numbers of its own; returns a new item, never changes the one it got. */
export type Augment<E> = (item: E, draws: Draws) => E;

/** Apply several, first to last. */
export function compose<E>(...augments: readonly Augment<E>[]): Augment<E> {
  return (item, draws) => augments.reduce((current, augment) => augment(current, draws), item);
}

/** Mirror a picture left to right with probability `p`. Default 0.5. */
export function horizontalFlip({ p = 0.5 }: { readonly p?: number } = {}): Augment<ImageItem> {
  return (item, draws) => {
    if (!draws.bernoulli(p)) return item;
    const [height, width, channels] = item.shape;
    const pixels = new Uint8Array(item.pixels.length);
    for (let y = 0; y < height; y++) {
      for (let x = 0; x < width; x++) {
        const from = (y * width + (width - 1 - x)) * channels;
        const to = (y * width + x) * channels;
        for (let c = 0; c < channels; c++) pixels[to + c] = item.pixels[from + c] as number;
      }
    }
    return { ...item, pixels };
  };
}
