/**
 * NVIDIA's libraries as their wheels lay them out: `nvidia/cu13/lib`, `nvidia/cudnn/lib`, `nvidia/cublas/lib`, …
 *
 * The loader finds a library by its bare name only if one of that name is loaded already, so before the CUDA plugin is
 * opened these are opened by full path, each after those that it needs.
 */
import { readdir } from 'node:fs/promises';
import { basename, dirname, join } from 'node:path';

// Dependencies first: cuBLAS needs cuBLASLt, cuSOLVER needs cuBLAS, cuSPARSE and nvJitLink, cuDNN needs cuBLAS and NVRTC.
const LOAD_ORDER = [
  /^libcudart\.so\.\d+$/,
  /^libnvrtc\.so\.\d+$/,
  /^libnvJitLink\.so\.\d+$/,
  /^libcublasLt\.so\.\d+$/,
  /^libcublas\.so\.\d+$/,
  /^libcusparse\.so\.\d+$/,
  /^libcusolver\.so\.\d+$/,
  /^libcufft\.so\.\d+$/,
  /^libcupti\.so\.\d+$/,
  /^libcudnn_graph\.so\.\d+$/,
  /^libcudnn\.so\.\d+$/,
  /^libnccl\.so\.\d+$/,
  /^libnvshmem_host\.so\.\d+$/,
];

/**
 * The `nvidia/<part>/lib` folders under a folder laid out like `site-packages`, sorted by name.
 *
 * @param root the folder that holds `nvidia`
 */
export async function nvidiaLibraryFolders(root: string): Promise<string[]> {
  const parent = join(root, 'nvidia');
  const folders: string[] = [];
  for (const part of (await readdir(parent).catch(() => [] as string[])).sort()) {
    const folder = join(parent, part, 'lib');
    const files = await readdir(folder).catch(() => [] as string[]);
    if (files.some((file) => file.includes('.so'))) folders.push(folder);
  }
  return folders;
}

/**
 * Full paths of the CUDA libraries in the given folders, in the order in which to `dlopen` them (globally) before the
 * plugin. Libraries that a folder lacks are left out: the system's own then serve.
 *
 * @param folders `libraryFolders` of a located plugin
 */
export async function librariesInLoadOrder(folders: readonly string[]): Promise<string[]> {
  const files: string[] = [];
  for (const folder of folders) {
    for (const file of await readdir(folder).catch(() => [] as string[])) files.push(join(folder, file));
  }
  return LOAD_ORDER.flatMap((pattern) => files.filter((file) => pattern.test(basename(file))).slice(0, 1));
}

/**
 * The folder with `bin/ptxas` and `nvvm/libdevice` that XLA needs as `--xla_gpu_cuda_data_dir`.
 *
 * @param folders `libraryFolders` of a located plugin
 * @returns undefined if none of the wheels brings them; XLA then looks in `/usr/local/cuda`
 */
export async function cudaDataFolder(folders: readonly string[]): Promise<string | undefined> {
  // CUDA 13 wheels share nvidia/cu13; CUDA 12 has the compiler in nvidia/cuda_nvcc, which holds no libraries.
  const parents = new Set(folders.map((folder) => dirname(dirname(folder))));
  const candidates = [...folders.map(dirname), ...[...parents].map((parent) => join(parent, 'cuda_nvcc'))];
  for (const candidate of candidates) {
    const tools = await readdir(join(candidate, 'bin')).catch(() => [] as string[]);
    if (tools.includes('ptxas')) return candidate;
  }
  return undefined;
}
