/** Batches: data in main memory, as loaders hand them out, and on the device, as losses take them. */
import { currentMesh, shard, tf, tree } from '@tesserae/tensor';

/** Values with a shape in main memory. Loaders of `@tesserae/data` give these; so may yours. */
export interface HostArray {
  readonly data: Float32Array | Int32Array | Uint8Array;
  readonly shape: readonly number[];
  /** Default: float32 for a Float32Array, int32 otherwise. */
  readonly dtype?: 'float32' | 'int32' | 'bool';
}

/** A batch with each `HostArray` replaced by a tensor; everything else stays. */
export type OnDevice<B> = B extends HostArray
  ? tf.Tensor
  : B extends tf.Tensor
    ? B
    : B extends readonly unknown[] | { readonly [key: string]: unknown }
      ? { -readonly [K in keyof B]: OnDevice<B[K]> }
      : B;

/** What `fit` reads batches from: a loader of `@tesserae/data`, an array, or anything else that can be iterated. */
export type BatchSource<B> = (AsyncIterable<B> | Iterable<B>) & Positioned;

/** A source that knows where it is. */
export interface Positioned {
  /** Position as plain JSON. Without it, a resumed run reads from the start again, and says so. */
  state?(): unknown;
  /** Continues from a position. */
  restore?(state: unknown): void;
}

function isHostArray(value: unknown): value is HostArray {
  if (typeof value !== 'object' || value === null) return false;
  const { data, shape } = value as Partial<HostArray>;
  return ArrayBuffer.isView(data) && Array.isArray(shape);
}

/** A batch on the device, and the way to free what was uploaded for it. */
export interface UploadedBatch<B> extends Disposable {
  readonly batch: OnDevice<B>;
}

/** How {@link upload} treats a mesh. */
export interface UploadOptions {
  /** Whether a batch that the devices of the mesh cannot share equally is copied to each instead. Default false. */
  readonly uneven?: boolean;
}

/**
 * Makes a tensor of every `HostArray`. Tensors that the batch held already stay their owner's. On a mesh all of them are
 * split over `data` along their first axis.
 *
 * @throws RangeError for a first axis that the devices do not divide.
 */
export function upload<B>(batch: B, { uneven = false }: UploadOptions = {}): UploadedBatch<B> {
  const made: tf.Tensor[] = [];
  const parts = currentMesh()?.axes.data ?? 1;
  const split = (tensor: tf.Tensor): tf.Tensor => {
    const size = tensor.shape[0];
    if (parts === 1 || size === undefined || (uneven && size % parts !== 0)) return tensor;
    if (size % parts !== 0) {
      throw new RangeError(
        `upload: a batch of shape [${tensor.shape.join(', ')}] cannot be shared by the mesh's ${parts} devices of 'data'. ` +
          `Use a batch size that is a multiple of ${parts}, and drop the last batch if it is smaller.`,
      );
    }
    const placed = shard(tensor, ['data']);
    made.push(placed);
    return placed;
  };
  const convert = (value: unknown): unknown => {
    if (isHostArray(value)) {
      const { data, shape, dtype = data instanceof Float32Array ? 'float32' : 'int32' } = value;
      const tensor = tf.tensor(data, [...shape], dtype);
      made.push(tensor);
      return split(tensor);
    }
    if (value instanceof tf.Tensor) return split(value as tf.Tensor);
    if (Array.isArray(value)) return value.map(convert);
    if (typeof value === 'object' && value !== null && Object.getPrototypeOf(value) === Object.prototype) {
      return Object.fromEntries(Object.entries(value).map(([key, member]) => [key, convert(member)]));
    }
    return value;
  };
  const dispose = (): void => tree.dispose(made);
  try {
    return { batch: convert(batch) as OnDevice<B>, [Symbol.dispose]: dispose };
  } catch (error) {
    dispose();
    throw error;
  }
}

/** Reads a source over and over: when it ends, it is started again. */
export class EndlessReader<B> {
  readonly #source: BatchSource<B>;
  #iterator: AsyncIterator<B> | Iterator<B> | undefined;

  constructor(source: BatchSource<B>) {
    this.#source = source;
  }

  /** @throws Error where a fresh pass gives no batch at all. */
  async next(): Promise<B> {
    for (const fresh of [false, true]) {
      if (fresh) this.#iterator = undefined;
      this.#iterator ??= iterate(this.#source);
      const result = await this.#iterator.next();
      if (result.done !== true) return result.value;
    }
    throw new Error("fit: 'data' gave no batch. It may be empty, or an iterable that works only once.");
  }

  /** Lets the source clean up. */
  async close(): Promise<void> {
    await this.#iterator?.return?.();
  }
}

function iterate<B>(source: BatchSource<B>): AsyncIterator<B> | Iterator<B> {
  return Symbol.asyncIterator in source ? source[Symbol.asyncIterator]() : source[Symbol.iterator]();
}
