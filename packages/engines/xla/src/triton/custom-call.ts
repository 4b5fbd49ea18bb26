/**
 * A kernel as a node of the graph: XLA's CUDA plugin compiles Triton IR that it finds as text in a custom call, with its own
 * copy of Triton, so nothing but the plugin is needed.
 *
 * Source: `__gpu$xla.gpu.triton` in XLA's GPU back end (what JAX's Pallas emits). The kernel takes one pointer for each
 * operand, then one for each result; layouts are row-major.
 */
import { operation, operations } from '../graph/hlo.ts';
import type { Node, TensorType } from '../graph/node.ts';
import type { Kernel } from './ir.ts';
import { KernelError } from './ir.ts';
import { printKernel } from './printer.ts';
import type { Value } from './value.ts';

/** A kernel and how to start it. */
export interface Launch {
  readonly kernel: Kernel<Value>;
  /** Programs along x, y, z. */
  readonly grid: readonly [number, number, number];
  /** Warps of 32 threads of one program. */
  readonly warps: number;
  /** How many turns of a loop are in flight: memory for them is taken from shared memory. */
  readonly stages: number;
}

/** Quotes text for MLIR. */
const quoted = (text: string): string =>
  `"${text.replace(/[\\"\n]/g, (char) => `\\${char.charCodeAt(0).toString(16).toUpperCase().padStart(2, '0')}`)}"`;

const layouts = (values: readonly TensorType[]): string =>
  `[${values
    .map(({ shape: { length } }) =>
      length === 0
        ? 'dense<> : tensor<0xindex>'
        : `dense<[${Array.from({ length }, (_, i) => length - 1 - i).join(', ')}]> : tensor<${length}xindex>`,
    )
    .join(', ')}]`;

/** Largest extents of a grid on CUDA. */
const gridLimits = [2 ** 31 - 1, 65_535, 65_535] as const;

/**
 * The results of a kernel that is started with the inputs' buffers.
 *
 * @throws KernelError when the parameters do not match the inputs and results, or the grid is too large.
 */
export function tritonCall(launch: Launch, inputs: readonly Node[], results: readonly TensorType[]): Node[] {
  const { kernel, grid, warps, stages } = launch;
  const wanted = kernel.body.parameters.map(({ element }) => element as string);
  const given = [...inputs, ...results].map(({ type }) => type as string);
  if (wanted.join() !== given.join())
    throw new KernelError(
      `call of ${kernel.name}`,
      `it takes pointers to (${wanted.join(', ')}), got (${given.join(', ')}).`,
    );
  if (grid.some((size, i) => size < 1 || size > (gridLimits[i] as number)))
    throw new KernelError(
      `call of ${kernel.name}`,
      `the grid [${grid.join(', ')}] is outside [${gridLimits.join(', ')}].`,
    );
  const config = [
    'debug = false',
    `grid_x = ${grid[0]} : i32`,
    `grid_y = ${grid[1]} : i32`,
    `grid_z = ${grid[2]} : i32`,
    `ir = ${quoted(printKernel(kernel))}`,
    `name = "${kernel.name}"`,
    `num_stages = ${stages} : i32`,
    `num_warps = ${warps} : i32`,
  ].join(', ');
  const attributes = [
    'call_target_name = "__gpu$xla.gpu.triton"',
    'backend_config = ""',
    `mhlo.backend_config = {${config}}`,
    `operand_layouts = ${layouts(inputs)}`,
    `result_layouts = ${layouts(results)}`,
  ].join(', ');
  if (results.length === 1) {
    const { type, shape } = results[0] as TensorType;
    return [operation('stablehlo.custom_call', inputs, type, shape, attributes)];
  }
  return operations('stablehlo.custom_call', inputs, results, attributes);
}

/** Number of blocks that cover a length. */
export const blocksOf = (length: number, block: number): number => Math.ceil(length / block);

/** The smallest power of two that is at least `length` and `least`. */
export const powerOfTwo = (length: number, least = 1): number => 2 ** Math.ceil(Math.log2(Math.max(length, least)));
