/**
 * The `CompileOptionsProto` of XLA, written by hand: a few small messages do not need a library.
 *
 * executable_build_options (3): device_ordinal (1) = -1, num_replicas (4) = 1, num_partitions (5), and for several devices
 * use_spmd_partitioning (6), device_assignment (9: replica_count (1), computation_count (2), computation_devices (3)) and
 * use_shardy_partitioner (19).
 * env_option_overrides (7), a map from names to OptionOverrideProto: string_field (1), bool_field (2), int_field (3).
 */
import { largestProduct } from './largest-product.ts';

/**
 * What a program for the CPU is compiled with.
 *
 * - The fast form of minimum and maximum loses NaN when it is the second operand, and with it the sign that a training
 *   run has gone wrong.
 * - YNNPACK takes reductions, and the products and convolutions that it is better at than Eigen: products with a short
 *   side and in batches, not large ones; convolutions with small windows, not the gradients of filters, whose window is
 *   the image. One program is compiled one way (docs/log.md).
 */
function cpuOptions(module: string): Record<string, string | boolean> {
  const types = [
    'REDUCE',
    ...(largestProduct(module) > eigenAbove ? [] : ['INDIVIDUAL_DOT']),
    ...(module.includes(filterGradient) ? [] : ['INDIVIDUAL_CONVOLUTION']),
  ];
  return {
    xla_cpu_enable_fast_min_max: false,
    xla_cpu_experimental_ynn_fusion_type: types.map((type) => `LIBRARY_FUSION_TYPE_${type}`).join(','),
  };
}

/** Floating-point operations of a product above which Eigen is the faster one. */
const eigenAbove = 8e9;

/** How the second operand's dimensions begin where a convolution contracts the batch (lowering/convolution.ts). */
const filterGradient = ']x[i, ';

/** What a program is compiled for. */
export interface CompileTarget {
  /** The client's platform name; `cpu` has options of its own. */
  readonly platform: string;
  /** Text of the StableHLO module. */
  readonly module: string;
  /** The ids of the devices of one SPMD program, in the order of the mesh; none for a program of one device. */
  readonly devices?: readonly number[];
  /** Debug options of XLA by name, on top of the platform's. */
  readonly flags?: XlaFlags;
}

/** Debug options of XLA (`xla.proto`, `DebugOptions`) by name. */
export type XlaFlags = Readonly<Record<string, string | boolean | number>>;

/** The serialised options. */
export function compileOptions({ platform, module, devices = [], flags = {} }: CompileTarget): Uint8Array {
  const build = [0x08, ...Array<number>(9).fill(0xff), 0x01, 0x20, 0x01, 0x28, ...varint(Math.max(1, devices.length))];
  if (devices.length > 0) {
    const computations = devices.flatMap((id) => message(3, message(1, varint(id))));
    const assignment = [0x08, 0x01, 0x10, ...varint(devices.length), ...computations];
    build.push(0x30, 0x01, ...message(9, assignment), 0x98, 0x01, 0x01);
  }
  const all = { ...(platform === 'cpu' ? cpuOptions(module) : {}), ...flags };
  const overrides = Object.entries(all).flatMap(([name, value]) => {
    if (typeof value === 'string')
      return message(7, [...message(1, text(name)), ...message(2, message(1, text(value)))]);
    const field = typeof value === 'number' ? [0x18, ...varint(value)] : [0x10, value ? 1 : 0];
    return message(7, [...message(1, text(name)), ...message(2, field)]);
  });
  return Uint8Array.from([...message(3, build), ...overrides]);
}

const text = (value: string): number[] => [...new TextEncoder().encode(value)];

function varint(value: number): number[] {
  const bytes: number[] = [];
  for (; value > 127; value = Math.floor(value / 128)) bytes.push((value & 127) | 128);
  return [...bytes, value];
}

/** A length-delimited field. */
const message = (field: number, bytes: readonly number[]): number[] => [
  (field << 3) | 2,
  ...varint(bytes.length),
  ...bytes,
];
