/** Checks of configurations and inputs, with one grammar: operation, argument, expectation, what came, remedy. */
import type { tf } from '@tesserae/tensor';

/** `[2, 3]`, as shapes are written in messages. */
export function shapeText(shape: readonly number[]): string {
  return `[${shape.join(', ')}]`;
}

/** @throws RangeError unless `value` is a whole number of at least `least`. */
export function checkWhole(operation: string, argument: string, value: number, least = 1): void {
  if (!Number.isSafeInteger(value) || value < least) {
    throw new RangeError(`${operation}: '${argument}' must be a whole number of at least ${least}, got ${value}.`);
  }
}

/** @throws RangeError unless `value` lies in [least, most), or [least, most] with `inclusive`. */
export function checkBetween(
  operation: string,
  argument: string,
  value: number,
  least: number,
  most: number,
  inclusive = false,
): void {
  if (!(value >= least && (inclusive ? value <= most : value < most))) {
    const range = `[${least}, ${most}${inclusive ? ']' : ')'}`;
    throw new RangeError(`${operation}: '${argument}' must lie in ${range}, got ${value}.`);
  }
}

/** @throws RangeError unless the last axis of `x` has `size` entries. */
export function checkLastAxis(operation: string, x: tf.Tensor, size: number, expected = `[..., ${size}]`): void {
  if (x.rank < 1 || x.shape[x.rank - 1] !== size) {
    throw new RangeError(
      `${operation}: 'x' must have shape ${expected}, got ${shapeText(x.shape)}. The layer was built for ${size} channels on the last axis.`,
    );
  }
}

/** @throws RangeError unless `x` is `[B, H, W, channels]`. */
export function checkImages(operation: string, x: tf.Tensor, channels: number): void {
  if (x.rank !== 4 || x.shape[3] !== channels) {
    throw new RangeError(
      `${operation}: 'x' must have shape [batch, height, width, ${channels}], got ${shapeText(x.shape)}. Channels come last.`,
    );
  }
}
