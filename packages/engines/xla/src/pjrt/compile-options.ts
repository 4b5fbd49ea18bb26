/**
 * The `CompileOptionsProto` of XLA for one device, written by hand: two messages of a few varints do not need a library.
 *
 * executable_build_options (3): device_ordinal (1) = -1, num_replicas (4) = 1, num_partitions (5) = 1.
 */
export function compileOptions(): Uint8Array {
  const build = [0x08, ...Array<number>(9).fill(0xff), 0x01, 0x20, 0x01, 0x28, 0x01];
  return Uint8Array.from([0x1a, build.length, ...build]);
}
