/**
 * Finds the CUDA plugin of an existing JAX installation, so that a machine with JAX needs no download.
 *
 * Python is asked where the modules are, without importing JAX (which takes seconds and starts a device).
 */
import { execFile } from 'node:child_process';
import { promisify } from 'node:util';
import type { Environment } from '@tesserae/downloads';

/** A PJRT plugin that a Python installation brings. */
export interface JaxPlugin {
  /** Full path of the shared library. */
  readonly path: string;
  /** The folder that holds `jax_plugins` and, if NVIDIA's libraries came as wheels, `nvidia`. */
  readonly root: string;
  readonly version?: string;
}

const SCRIPT = `
import importlib.metadata, importlib.util, json, os
for name in ('cuda13', 'cuda12'):
    try:
        spec = importlib.util.find_spec('jax_plugins.xla_' + name)
    except Exception:
        spec = None
    for folder in (spec.submodule_search_locations or []) if spec else []:
        path = os.path.join(folder, 'xla_cuda_plugin.so')
        if os.path.exists(path):
            try:
                version = importlib.metadata.version('jax-' + name + '-pjrt')
            except Exception:
                version = None
            root = os.path.dirname(os.path.dirname(os.path.abspath(folder)))
            print(json.dumps({'path': path, 'root': root, 'version': version}))
            raise SystemExit(0)
`;

/**
 * Asks `python3` for JAX's CUDA plugin, CUDA 13 before CUDA 12.
 *
 * @param env the environment to run Python in; `PYTHON` names another interpreter
 * @returns undefined without Python, without JAX's CUDA plugin, or if Python takes over 20 seconds
 */
export async function findJaxPlugin(env: Environment = process.env): Promise<JaxPlugin | undefined> {
  try {
    const { stdout } = await promisify(execFile)(env['PYTHON'] ?? 'python3', ['-c', SCRIPT], {
      env: env as NodeJS.ProcessEnv,
      timeout: 20_000,
      maxBuffer: 1 << 20,
    });
    if (!stdout.trim()) return undefined;
    const found = JSON.parse(stdout) as { path: string; root: string; version: string | null };
    return { path: found.path, root: found.root, ...(found.version ? { version: found.version } : {}) };
  } catch {
    return undefined;
  }
}
