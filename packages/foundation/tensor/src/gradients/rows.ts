/** Every gradient to check, by family. */
import { binaryRows, cumulativeRows, reductionRows, unaryRows } from './rows.elementwise.ts';
import {
  convolutionRows,
  einsumRows,
  matmulRows,
  normalizationRows,
  poolingRows,
  poolWithArgmax,
  resizeRows,
} from './rows.network.ts';
import { fftRows, segmentRows, shapeRows } from './rows.shape.ts';
import type { Row } from './testRows.ts';

export const allRows: readonly (readonly [family: string, rows: readonly Row[]])[] = [
  ['unary', unaryRows],
  ['binary', binaryRows],
  ['reduction', reductionRows],
  ['shape', shapeRows],
  ['segment', segmentRows],
  ['matmul', matmulRows],
  ['convolution', convolutionRows],
  ['pooling', [...poolingRows, poolWithArgmax]],
  ['normalization', normalizationRows],
  ['resize', resizeRows],
  ['cumulative', cumulativeRows],
  ['einsum', einsumRows],
  ['fft', fftRows],
];
