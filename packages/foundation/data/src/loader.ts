/**
 * Batches from a data set, in an order that is a function of (seed, epoch, position) and of nothing else.
 *
 * A loader can therefore be stopped anywhere and continued exactly: `state()` is a few numbers, and batches that were
 * only prefetched do not count.
 */
import type { Augment } from './augment.ts';
import type { Dataset } from './dataset.ts';
import { Draws } from './draws.ts';

/** Options of `loader`. */
export interface LoaderOptions<E> {
  /** Items in a batch. */
  readonly batchSize: number;
  /** Decides order and augmentation. Default 0. */
  readonly seed?: number;
  /** A new random order each epoch (default), or the order of the data set. */
  readonly shuffle?: boolean;
  /** Leave out the last batch of an epoch when it is not full. Default: true when shuffling, false otherwise. */
  readonly dropLast?: boolean;
  /** Number of epochs, default Infinity. A finished loader starts again with the next `for await`. */
  readonly epochs?: number;
  /** How many batches to prepare ahead. Default 2. */
  readonly prefetch?: number;
  /** Changes each item as it is loaded. */
  readonly augment?: Augment<E>;
}

/** Where a loader is, as plain JSON: part of a checkpoint. */
export interface LoaderState {
  readonly seed: number;
  readonly length: number;
  readonly batchSize: number;
  readonly shuffle: boolean;
  readonly dropLast: boolean;
  /** Epoch of the next batch. */
  readonly epoch: number;
  /** Number of items of that epoch already handed out. */
  readonly position: number;
}

/** A stream of batches that can be continued exactly. */
export interface Loader<B> extends AsyncIterable<B> {
  /** Number of batches in one pass over the data. */
  readonly batchesPerEpoch: number;
  /** The next batch; `done` after the last epoch. One call at a time gives batches in order. */
  next(): Promise<IteratorResult<B, undefined>>;
  /** Where the loader is: what comes next is a function of it. */
  state(): LoaderState;
  /**
   * Continue from a state.
   *
   * @throws Error when it belongs to another data set or other options.
   */
  restore(state: LoaderState): void;
}

/**
 * Make a loader.
 *
 * @throws RangeError when an option is out of range or the data set has too few items for one batch.
 */
export function loader<E, B = readonly E[]>(dataset: Dataset<E, B>, options: LoaderOptions<E>): Loader<B> {
  return new BatchLoader(dataset, options);
}

interface Cursor {
  readonly epoch: number;
  readonly position: number;
}

class BatchLoader<E, B> implements Loader<B> {
  readonly batchesPerEpoch: number;
  readonly #dataset: Dataset<E, B>;
  readonly #settings: Pick<LoaderState, 'seed' | 'length' | 'batchSize' | 'shuffle' | 'dropLast'>;
  readonly #epochs: number;
  readonly #prefetch: number;
  readonly #augment: Augment<E> | undefined;
  /** Of the next batch to hand out. */
  #cursor: Cursor = { epoch: 0, position: 0 };
  /** Batches under way, the next one first. */
  #queue: { readonly start: Cursor; readonly batch: Promise<B> }[] = [];
  #order: { readonly epoch: number; readonly indices: Uint32Array } | undefined;

  constructor(dataset: Dataset<E, B>, options: LoaderOptions<E>) {
    const { batchSize, seed = 0, shuffle = true, epochs = Infinity, prefetch = 2 } = options;
    const { dropLast = shuffle } = options;
    whole('batchSize', batchSize, 1);
    whole('seed', seed, 0);
    whole('prefetch', prefetch, 0);
    if (epochs !== Infinity) whole('epochs', epochs, 1);
    const { length } = dataset;
    this.batchesPerEpoch = dropLast ? Math.floor(length / batchSize) : Math.ceil(length / batchSize);
    if (this.batchesPerEpoch === 0) {
      throw new RangeError(
        length === 0
          ? 'loader: the data set is empty'
          : `loader: the data set has ${length} items, too few for one batch of ${batchSize}; ` +
              'use a smaller batchSize, or dropLast: false',
      );
    }
    this.#dataset = dataset;
    this.#settings = { seed, length, batchSize, shuffle, dropLast };
    this.#epochs = epochs;
    this.#prefetch = prefetch;
    this.#augment = options.augment;
  }

  async next(): Promise<IteratorResult<B, undefined>> {
    if (this.#cursor.epoch >= this.#epochs) return { done: true, value: undefined };
    this.#fill(1);
    const { batch } = this.#queue.shift() as { batch: Promise<B> };
    // The cursor moves when a batch is asked for: two calls at once get two batches.
    const start = this.#cursor;
    this.#cursor = this.#after(start);
    this.#fill(this.#prefetch);
    try {
      return { done: false, value: await batch };
    } catch (error) {
      // Nothing was handed out: the next call tries the same batch again.
      this.#queue = [];
      this.#cursor = start;
      throw error;
    }
  }

  [Symbol.asyncIterator](): AsyncIterator<B, undefined> {
    if (this.#cursor.epoch >= this.#epochs) this.#moveTo({ epoch: 0, position: 0 });
    return { next: () => this.next() };
  }

  state(): LoaderState {
    return { ...this.#settings, ...this.#cursor };
  }

  restore(state: LoaderState): void {
    for (const [name, ours] of Object.entries(this.#settings)) {
      const theirs = state[name as keyof LoaderState];
      if (theirs !== ours) {
        throw new Error(
          `Loader.restore: the state was saved with ${name} ${theirs}, this loader has ${ours}; ` +
            'continue with the same data and options, or start again',
        );
      }
    }
    const { epoch, position } = state;
    const { batchSize } = this.#settings;
    whole('restored epoch', epoch, 0);
    whole('restored position', position, 0);
    if (position % batchSize !== 0 || position / batchSize >= this.batchesPerEpoch) {
      throw new Error(`Loader.restore: position ${position} is not the start of a batch of ${batchSize}`);
    }
    this.#moveTo({ epoch, position });
  }

  #moveTo(cursor: Cursor): void {
    this.#cursor = cursor;
    this.#queue = [];
  }

  /** Start the work of batches until `count` are under way. */
  #fill(count: number): void {
    while (this.#queue.length < count) {
      const last = this.#queue.at(-1)?.start;
      const start = last ? this.#after(last) : this.#cursor;
      if (start.epoch >= this.#epochs) return;
      const batch = this.#load(start);
      batch.catch(() => {}); // reported by the `next` that hands it out
      this.#queue.push({ start, batch });
    }
  }

  #after({ epoch, position }: Cursor): Cursor {
    const next = position + this.#settings.batchSize;
    return next / this.#settings.batchSize < this.batchesPerEpoch
      ? { epoch, position: next }
      : { epoch: epoch + 1, position: 0 };
  }

  async #load({ epoch, position }: Cursor): Promise<B> {
    const { seed, length, batchSize } = this.#settings;
    const order = this.#orderOf(epoch);
    const end = Math.min(position + batchSize, length);
    const items = await Promise.all(
      Array.from({ length: end - position }, async (_, i) => {
        const index = order ? (order[position + i] as number) : position + i;
        const item = await this.#dataset.get(index);
        return this.#augment ? this.#augment(item, new Draws(seed, epoch, position + i)) : item;
      }),
    );
    return this.#dataset.collate ? this.#dataset.collate(items) : (items as unknown as B);
  }

  #orderOf(epoch: number): Uint32Array | undefined {
    const { seed, length, shuffle } = this.#settings;
    if (!shuffle) return undefined;
    if (this.#order?.epoch !== epoch) this.#order = { epoch, indices: new Draws(seed, epoch).permutation(length) };
    return this.#order.indices;
  }
}

function whole(name: string, value: number, least: number): void {
  if (!Number.isSafeInteger(value) || value < least) {
    throw new RangeError(`loader: ${name} must be a whole number of at least ${least}, got ${value}`);
  }
}
