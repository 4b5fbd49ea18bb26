/**
 * float32 as a pair of float16: x = (high + low) / scale, with one power of two as the scale of each row.
 *
 * Three float16 products (high·high, high·low, low·high), summed in float32, are as exact as one float32 product: 22 bits of
 * each factor are kept. Tensor cores do this at two thirds of their tf32 rate, where three tf32 products take three times
 * tf32's time. Rows are scaled so that the largest element is in [2^14, 2^15): then what `low` cannot hold is under
 * 2^-39 of the row's largest element, and no subnormal number loses bits that matter.
 *
 * Source: H. Ootomo, R. Yokota, "Recovering single precision accuracy from Tensor Cores", arXiv:2203.03341, section 3.
 * Differs: the scale is chosen for each row and the low part is not scaled apart, so one accumulator serves all products.
 */
import { broadcastTo, reduceKeeping } from '../graph/broadcast.ts';
import {
  binary,
  bitcast,
  constant,
  convert,
  maximum,
  multiply,
  operation,
  reshape,
  subtract,
  unary,
} from '../graph/hlo.ts';
import type { Node } from '../graph/node.ts';

/** See the file header. */
export interface HalfPair {
  /** f16, of x's shape. */
  readonly high: Node;
  /** f16, of x's shape. */
  readonly low: Node;
  /** f32 [rows]: one over the scale. */
  readonly unit: Node;
}

/** Splits the rows of a matrix [rows, D] of f32. */
export function halfPair(x: Node): HalfPair {
  const [rows] = x.shape as [number, number];
  const column = [rows, 1];
  const integer = (value: number): Node => constant(value, 'i32', column);
  const largest = bitcast(reduceKeeping('maximum', unary('abs', x), 0, [1]), 'i32');
  const masked = binary('and', largest, integer(0x7f80_0000));
  const exponent = maximum(binary('shift_right_logical', masked, integer(23)), integer(27)); // biased by 127
  const power = (biased: Node): Node => bitcast(binary('shift_left', biased, integer(23)), 'f32');
  const scaled = multiply(x, broadcastTo(power(subtract(integer(127 + 14 + 127), exponent)), x.shape));
  // A conversion there and back may be removed by XLA as "excess precision"; a reduction of precision may not.
  const rounded = operation(
    'stablehlo.reduce_precision',
    [scaled],
    'f32',
    x.shape,
    'exponent_bits = 5 : i32, mantissa_bits = 10 : i32',
  );
  return {
    high: convert(rounded, 'f16'),
    low: convert(subtract(scaled, rounded), 'f16'),
    unit: reshape(power(subtract(exponent, integer(14))), [rows]),
  };
}
