/**
 * The `CompileOptionsProto` of XLA, written by hand: a few small messages do not need a library.
 *
 * executable_build_options (3): device_ordinal (1) = -1, num_replicas (4) = 1, num_partitions (5), and for several devices
 * use_spmd_partitioning (6), device_assignment (9: replica_count (1), computation_count (2), computation_devices (3)) and
 * use_shardy_partitioner (19).
 * env_option_overrides (7), a map: xla_cpu_enable_fast_min_max = false. The fast form of minimum and maximum loses NaN
 * when it is the second operand, and with it the sign that a training run has gone wrong.
 */

/** @param devices the ids of the devices of one SPMD program, in the order of the mesh; none for a program of one device. */
export function compileOptions(devices: readonly number[] = []): Uint8Array {
  const build = [0x08, ...Array<number>(9).fill(0xff), 0x01, 0x20, 0x01, 0x28, ...varint(Math.max(1, devices.length))];
  if (devices.length > 0) {
    const computations = devices.flatMap((id) => message(3, message(1, varint(id))));
    const assignment = [0x08, 0x01, 0x10, ...varint(devices.length), ...computations];
    build.push(0x30, 0x01, ...message(9, assignment), 0x98, 0x01, 0x01);
  }
  const disabled = ['xla_cpu_enable_fast_min_max'];
  const overrides = disabled.flatMap((name) => {
    const value = message(2, [0x10, 0x00]); // OptionOverrideProto: bool_field (2) = false
    return message(7, [...message(1, [...new TextEncoder().encode(name)]), ...value]);
  });
  return Uint8Array.from([...message(3, build), ...overrides]);
}

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
