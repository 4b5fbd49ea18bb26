/** Flags of XLA for compiling quickly rather than well, by engine. XLA reads `XLA_FLAGS` when the plugin is opened. */
export const quickly: Readonly<Record<string, string>> = {
  'xla:cpu':
    '--xla_backend_optimization_level=0 --xla_llvm_disable_expensive_passes=true --xla_cpu_parallel_codegen_split_count=1',
  'xla:cuda': '--xla_gpu_autotune_level=0',
};
