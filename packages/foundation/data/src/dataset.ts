/** Data sets: a length, items by number, and how items become a batch. */
import { hostTensor, stackHostTensors, type HostTensor } from './host-tensor.ts';

/**
 * Items by number.
 *
 * @typeParam E - One item.
 * @typeParam B - A batch of them, as the loader hands it out.
 */
export interface Dataset<E, B = readonly E[]> {
  /** Number of items. */
  readonly length: number;
  /** Item `i` of `0 … length − 1`: the same each time. */
  get(index: number): E | Promise<E>;
  /** Items to a batch. Without it a batch is the list of items. */
  collate?(items: readonly E[]): B;
}

/** A data set of the items of an array. */
export function arrayDataset<E>(items: readonly E[]): Dataset<E> {
  return { length: items.length, get: (index) => at(items, index) };
}

/** Some items of a data set, in the order given: one side of a split, for example. */
export function subset<E, B>(dataset: Dataset<E, B>, indices: readonly number[] | Uint32Array): Dataset<E, B> {
  for (const index of indices) {
    if (!Number.isInteger(index) || index < 0 || index >= dataset.length) {
      throw new RangeError(`subset: index ${index} is not an item of a data set of ${dataset.length}`);
    }
  }
  const chosen = Uint32Array.from(indices);
  return {
    length: chosen.length,
    get: (index) => dataset.get(at(chosen, index)),
    ...(dataset.collate ? { collate: (items: readonly E[]): B => dataset.collate?.(items) as B } : {}),
  };
}

/** One item of a `tensorDataset`: each tensor without its first axis. */
export type TensorItem<T> = { readonly [K in keyof T]: HostTensor };

/**
 * A data set of tensors that share their first axis, such as tokens and labels made once for a whole split.
 *
 * ```ts
 * const data = tensorDataset({ tokens: hostTensor(tokens, [count, 8, 8]), labels: hostTensor(labels, [count]) });
 * ```
 *
 * A batch has the same members, with the batch size as first axis.
 */
export function tensorDataset<T extends Record<string, HostTensor>>(
  tensors: T,
): Dataset<TensorItem<T>, { readonly [K in keyof T]: HostTensor }> {
  const entries = Object.entries(tensors);
  const length = entries[0]?.[1].shape[0] ?? 0;
  for (const [name, tensor] of entries) {
    if (tensor.shape[0] !== length) {
      throw new RangeError(
        `tensorDataset: ${name} has ${tensor.shape[0] ?? 'no'} items, ${entries[0]?.[0]} has ${length}`,
      );
    }
  }
  type Item = TensorItem<T>;
  return {
    length,
    get(index): Item {
      if (!(index >= 0 && index < length)) throw new RangeError(`tensorDataset: no item ${index} among ${length}`);
      return Object.fromEntries(
        entries.map(([name, tensor]) => {
          const shape = tensor.shape.slice(1);
          const size = shape.reduce((product, side) => product * side, 1);
          return [name, hostTensor(tensor.data.subarray(index * size, (index + 1) * size), shape)];
        }),
      ) as Item;
    },
    collate: (items): Item =>
      Object.fromEntries(
        entries.map(([name]) => [name, stackHostTensors(items.map((item) => item[name as keyof T]))]),
      ) as Item,
  };
}

/** @throws RangeError when there is no such item. */
function at<E>(items: ArrayLike<E>, index: number): E {
  if (!(index >= 0 && index < items.length)) {
    throw new RangeError(`Dataset.get: no item ${index} among ${items.length}`);
  }
  return items[index] as E;
}
