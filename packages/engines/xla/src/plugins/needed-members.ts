/**
 * The members of a plugin's wheels that are needed to run: shared libraries, the CUDA compiler's parts, device code,
 * and the licences. Headers, static libraries and Python files stay in the wheel.
 */
export function isNeeded(name: string): boolean {
  return (
    /\.so(\.\d+)*$/.test(name) ||
    /^nvidia\/[^/]+\/bin\/(ptxas|nvlink|fatbinary)$/.test(name) ||
    /^nvidia\/[^/]+\/nvvm\/libdevice\/[^/]+\.bc$/.test(name) ||
    /^nvidia\/nvshmem\/lib\/[^/]+\.bc$/.test(name) ||
    /\.dist-info\/(.*\/)?(LICENSE|License|NOTICE|THIRD_PARTY)[^/]*$/.test(name)
  );
}
