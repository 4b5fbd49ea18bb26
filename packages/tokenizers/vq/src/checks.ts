/**
 * What quantizers refuse, and how they say so.
 *
 * Shapes and dtypes are checked always. Values (NaN, indices out of range) are checked outside `compile` only: inside,
 * there is nothing to read yet, and the documented clamping applies.
 */
import { isTracing } from '@tesserae/tensor';
import type { tf } from '@tesserae/tensor';

/** The values of a tensor, or undefined inside `compile`, where there are none yet. */
export function readable(tensor: tf.Tensor): ArrayLike<number> | undefined {
  return isTracing() ? undefined : tensor.dataSync();
}

/** @throws RangeError unless `[batch, ...grid, dim]`; TypeError unless floating point. */
export function checkLatents(latents: tf.Tensor, dim: number, operation: string): void {
  if (latents.dtype !== 'float32') {
    throw new TypeError(`${operation}: latents must be float32, got ${latents.dtype}; convert with latents.toFloat()`);
  }
  if (latents.rank < 2 || latents.shape.at(-1) !== dim) {
    throw new RangeError(
      `${operation}: latents must have shape [batch, ...grid, ${dim}], channels last, got ${print(latents.shape)}`,
    );
  }
}

/** @throws RangeError unless the mask has the latents' shape without its last axis. */
export function checkMask(mask: tf.Tensor, latents: tf.Tensor, operation: string): void {
  const expected = latents.shape.slice(0, -1);
  if (mask.rank !== expected.length || expected.some((side, axis) => side !== mask.shape[axis])) {
    throw new RangeError(
      `${operation}: mask must have the latents' shape without the last axis, ${print(expected)} for latents ` +
        `${print(latents.shape)}, got ${print(mask.shape)}`,
    );
  }
}

/** @throws TypeError unless int32. */
export function checkIndices(indices: tf.Tensor, operation: string): void {
  if (indices.dtype !== 'int32') {
    throw new TypeError(
      `${operation}: indices must be int32, got ${indices.dtype}; convert with indices.toInt() if they hold whole numbers`,
    );
  }
}

/**
 * Outside `compile`, refuse latents that are not finite.
 *
 * @param latents - float32 `[N, D]`.
 * @param weights - `[N]`, 0 for padding, which may hold anything.
 */
export function checkLatentValues(latents: tf.Tensor2D, weights: tf.Tensor1D | undefined, operation: string): void {
  const values = readable(latents);
  if (!values) return;
  const kept = weights?.dataSync();
  const dim = latents.shape[1];
  for (let i = 0; i < values.length; i++) {
    const row = Math.floor(i / dim);
    if (!Number.isFinite(values[i]) && (kept === undefined || kept[row] !== 0)) {
      throw new RangeError(
        `${operation}: latents must be finite, got ${values[i]} in vector ${row}, element ${i % dim} of ` +
          `${print(latents.shape)}; has the encoder diverged, or is the input corrupt?`,
      );
    }
  }
}

/** Outside `compile`, refuse indices outside `[least, size)`. */
export function checkIndexValues(indices: tf.Tensor, least: number, size: number, operation: string): void {
  const values = readable(indices);
  if (!values) return;
  for (let i = 0; i < values.length; i++) {
    const value = values[i] as number;
    if (!(value >= least && value < size)) {
      throw new RangeError(
        `${operation}: index ${value} at position ${i} is outside [${least}, ${size}); ` +
          'were these indices made with another codebook?',
      );
    }
  }
}

function print(shape: readonly number[]): string {
  return `[${shape.join(', ')}]`;
}
