/** The size of a module's largest matrix product, read from its text. */

const product =
  /"stablehlo\.dot_general"\(.*?lhs_contracting_dimensions = \[([\d, ]*)\].*?: \(tensor<([\dx]+)x[a-z]\w*>, .*?\) -> tensor<([\dx]*)x?[a-z]\w*>/g;

const numbers = (text: string, separator: string): number[] => (text === '' ? [] : text.split(separator).map(Number));

/** Floating-point operations of the largest `dot_general`; 0 without one. */
export function largestProduct(module: string): number {
  let largest = 0;
  for (const [, contracted = '', left = '', result = ''] of module.matchAll(product)) {
    const sizes = numbers(left, 'x');
    const inner = numbers(contracted, ', ').reduce((total, axis) => total * (sizes[axis] as number), 1);
    const outer = numbers(result.replace(/x$/, ''), 'x').reduce((total, size) => total * size, 1);
    largest = Math.max(largest, 2 * inner * outer);
  }
  return largest;
}
