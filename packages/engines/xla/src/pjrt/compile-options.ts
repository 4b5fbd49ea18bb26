/**
 * The `CompileOptionsProto` of XLA for one device, written by hand: a few small messages do not need a library.
 *
 * executable_build_options (3): device_ordinal (1) = -1, num_replicas (4) = 1, num_partitions (5) = 1.
 * env_option_overrides (7), a map: xla_cpu_enable_fast_min_max = false. The fast form of minimum and maximum loses NaN
 * when it is the second operand, and with it the sign that a training run has gone wrong.
 */
export function compileOptions(): Uint8Array {
  const build = [0x08, ...Array<number>(9).fill(0xff), 0x01, 0x20, 0x01, 0x28, 0x01];
  const disabled = ['xla_cpu_enable_fast_min_max'];
  const overrides = disabled.flatMap((name) => {
    const value = message(2, [0x10, 0x00]); // OptionOverrideProto: bool_field (2) = false
    return message(7, [...message(1, [...new TextEncoder().encode(name)]), ...value]);
  });
  return Uint8Array.from([...message(3, build), ...overrides]);
}

/** A length-delimited field of fewer than 128 bytes. */
const message = (field: number, bytes: readonly number[]): number[] => [(field << 3) | 2, bytes.length, ...bytes];
