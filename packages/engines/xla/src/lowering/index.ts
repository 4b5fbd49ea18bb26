/** All kernels that become StableHLO, one line a family. */
import { convolutions } from './convolution.ts';
import { elementwise } from './elementwise.ts';
import type { Lowerings } from './kernel.ts';
import { products } from './matmul.ts';
import { random } from './random.ts';
import { reductions } from './reduction.ts';
import { shapes } from './shape.ts';

/** See the file header. */
export const lowerings: Lowerings = {
  ...elementwise,
  ...reductions,
  ...products,
  ...convolutions,
  ...shapes,
  ...random,
};
