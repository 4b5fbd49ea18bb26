/**
 * Arrays with a shape that are not on a device yet: what loaders hand out. Making them costs no engine call, so
 * prefetching never gets in the way of a training step.
 */
import { tf } from '@tesserae/tensor';

/** Values with a shape, in main memory. */
export interface HostTensor {
  readonly data: Float32Array | Int32Array;
  readonly shape: readonly number[];
  readonly dtype: 'float32' | 'int32';
}

/** A batch with each `HostTensor` replaced by a tensor; everything else stays. */
export type OnDevice<B> = B extends HostTensor
  ? tf.Tensor
  : B extends readonly unknown[] | { readonly [key: string]: unknown }
    ? { -readonly [K in keyof B]: OnDevice<B[K]> }
    : B;

/**
 * Wrap values in a shape.
 *
 * @throws RangeError when the number of values is not the product of the shape.
 */
export function hostTensor(data: Float32Array | Int32Array, shape: readonly number[]): HostTensor {
  const size = shape.reduce((product, side) => product * side, 1);
  if (data.length !== size) {
    throw new RangeError(`hostTensor: shape [${shape.join(', ')}] holds ${size} values, got ${data.length}`);
  }
  return { data, shape, dtype: data instanceof Int32Array ? 'int32' : 'float32' };
}

/** Whether a value is a `HostTensor`. */
export function isHostTensor(value: unknown): value is HostTensor {
  if (typeof value !== 'object' || value === null) return false;
  const { data, shape } = value as Partial<HostTensor>;
  return (data instanceof Float32Array || data instanceof Int32Array) && Array.isArray(shape);
}

/**
 * Upload a batch: every `HostTensor` in it, at any depth, becomes a tensor that the caller owns.
 *
 * ```ts
 * const { images } = toTensors(batch); // float32 [B, H, W, C]
 * ```
 */
export function toTensors<B>(batch: B): OnDevice<B> {
  const convert = (value: unknown): unknown => {
    if (isHostTensor(value)) return tf.tensor(value.data, [...value.shape], value.dtype);
    if (Array.isArray(value)) return value.map(convert);
    if (typeof value === 'object' && value !== null && Object.getPrototypeOf(value) === Object.prototype) {
      return Object.fromEntries(Object.entries(value).map(([key, member]) => [key, convert(member)]));
    }
    return value;
  };
  return convert(batch) as OnDevice<B>;
}

/**
 * Put equal shapes on top of each other: n times `[...shape]` becomes `[n, ...shape]`.
 *
 * @throws RangeError when there are none, or two differ in shape or dtype.
 */
export function stackHostTensors(items: readonly HostTensor[]): HostTensor {
  const [first] = items;
  if (!first) throw new RangeError('stackHostTensors: no tensors to stack');
  const size = first.data.length;
  const data = first.dtype === 'int32' ? new Int32Array(items.length * size) : new Float32Array(items.length * size);
  items.forEach((item, i) => {
    if (item.dtype !== first.dtype || item.shape.join() !== first.shape.join()) {
      throw new RangeError(
        `stackHostTensors: item ${i} is ${item.dtype} [${item.shape.join(', ')}], ` +
          `item 0 is ${first.dtype} [${first.shape.join(', ')}]`,
      );
    }
    data.set(item.data, i * size);
  });
  return { data, shape: [items.length, ...first.shape], dtype: first.dtype };
}
