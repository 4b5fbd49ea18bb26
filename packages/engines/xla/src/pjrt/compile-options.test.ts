/** Options follow what a module computes. */
import { expect, test } from 'vitest';
import { convolution, dotGeneral } from '../graph/hlo.ts';
import { Node } from '../graph/node.ts';
import { writeModule } from '../graph/write-module.ts';
import { compileOptions } from './compile-options.ts';

function optionsFor(output: Node, platform = 'cpu'): string {
  const module = writeModule([output], { name: 'options' }).text;
  return new TextDecoder().decode(compileOptions({ platform, module }));
}

function square(size: number): Node {
  const x = new Node('f32', [size, size]);
  const dims = { lhsBatch: [], rhsBatch: [], lhsContract: [1], rhsContract: [0] };
  return dotGeneral(x, x, dims, 'HIGHEST');
}

function convolved(dimensions: string): Node {
  const x = new Node('f32', [4, 4, 4, 4]);
  const [one, none] = [
    [1, 1],
    [
      [0, 0],
      [0, 0],
    ] as const,
  ];
  const config = { dimensions, strides: one, padding: none, lhsDilation: one, rhsDilation: one, featureGroups: 1 };
  return convolution(x, x, { ...config, precision: 'HIGHEST' }, 'f32', [4, 1, 1, 4]);
}

test('large products on the CPU are left to Eigen', () => {
  expect(optionsFor(square(1024))).toContain('LIBRARY_FUSION_TYPE_REDUCE,LIBRARY_FUSION_TYPE_INDIVIDUAL_DOT');
  expect(optionsFor(square(2048))).toContain('LIBRARY_FUSION_TYPE_REDUCE');
  expect(optionsFor(square(2048))).not.toContain('DOT');
});

test('convolutions of a program with a filter gradient are left to Eigen', () => {
  expect(optionsFor(convolved('[b, 0, 1, f]x[0, 1, i, o]->[b, 0, 1, f]'))).toContain('INDIVIDUAL_CONVOLUTION');
  expect(optionsFor(convolved('[f, 0, 1, b]x[i, 0, 1, o]->[0, 1, b, f]'))).not.toContain('CONVOLUTION');
});

test('other platforms have no options of the CPU', () => {
  expect(optionsFor(square(1024), 'cuda')).not.toContain('xla_cpu');
});
